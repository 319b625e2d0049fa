//! Layers of categories and sound in models.

use brolga_ir::{Mistake, Tensor, Tracer, Type, interpret};
use brolga_nn::Data;
use brolga_nn::initializers::Random;
use brolga_nn::layers::{Embedding, Layer};
use brolga_nn::prelude::*;
use brolga_nn::trace::{Call, Context, Weights};
use ndarray::{Array2, ArrayD, array};

/// What a layer with its first weights gives in inference.
pub(crate) fn computed(layer: &dyn Layer, x: &ArrayD<f32>) -> Result<ArrayD<f32>, Mistake> {
    let tracer = Tracer::new("layer");
    let constant = |shape: &[usize], values: Vec<f32>| {
        tracer.constant(Tensor::f32(shape, values).expect("as many values as the shape has"))
    };
    let given = constant(x.shape(), x.iter().copied().collect());
    let specs = layer.build(&[Type::f32(x.shape())])?;
    let weights: Vec<_> = specs
        .into_iter()
        .map(|spec| {
            let shape = spec.ty.shape.clone();
            let mut values = vec![0.0; shape.elements()];
            let initializer = spec.initializer.resolve().expect("an initializer");
            initializer.check(&shape)?;
            initializer.fill(&shape, Random::new(0, 0), 0, &mut values);
            Ok::<_, Mistake>((spec.name, constant(&shape, values), spec.trainable))
        })
        .collect::<Result<_, _>>()?;
    let mut weights = Weights::new(weights);
    let mut context = Context::inference(&tracer);
    let y = layer.call(&mut Call::new(&mut context, &mut weights), &[given]);
    tracer.output(&y[0]);
    let graph = tracer.finish().map_err(|error| error.mistake)?;
    let y = interpret(&graph, &[]).expect("no inputs").remove(0);
    let values = y.data().to_f64().into_iter().map(|x| x as f32).collect();
    Ok(ArrayD::from_shape_vec(y.shape().to_vec(), values).expect("as many values"))
}

/// A model that learns which of two words occurs, from texts that come batch by batch.
#[test]
fn texts_in_a_dataset_train_a_model() -> Result<(), Box<dyn std::error::Error>> {
    let texts = ["a good day", "a bad day", "good bread", "bad weather", "so good", "so bad"];
    let labels = [1, 0, 1, 0, 1, 0];
    let vectorize = TextVectorization::new().output_sequence_length(3).adapt(&texts)?;
    let words = vectorize.vocabulary_size()?;

    let mut model = Sequential::new();
    model.add(Input::new([3]).dtype("int32"));
    model.add(Embedding::new(words, 4));
    model.add(Flatten::new());
    model.add(Dense::new(2).activation("softmax"));
    let loss = "sparse_categorical_crossentropy";
    model.compile(Compile::new().optimizer(Adam::new(0.05)).loss(loss).metrics(["accuracy"]))?;

    let batches = || {
        texts.chunks(3).zip(labels.chunks(3)).map(|(texts, labels)| {
            let x = vectorize.apply::<i32>(texts)?;
            Ok::<_, NnError>((x, ndarray::Array1::from(labels.to_vec())))
        })
    };
    model.fit(Dataset::from_generator(batches), (), Fit::new().epochs(60).verbose(false))?;
    let x = vectorize.apply::<i32>(&["good luck", "a bad idea"])?;
    let y = model.predict_with(&x, Predict::new().verbose(false))?;
    assert!(y[[0, 1]] > 0.5 && y[[1, 0]] > 0.5, "{y}");
    Ok(())
}

#[test]
fn categories_are_layers_of_models() -> Result<(), NnError> {
    let x = array![[7.0_f32, 30.0], [8.0, -1.0], [9.0, 7.0]];
    let user = IntegerLookup::new().adapt(&array![[7_i64, 7], [30, 8]])?;
    assert_eq!(user.get_vocabulary(true)?, [-1, 7, 30, 8]);
    let expected = user.apply::<f32>(&x.mapv(|x| x as i64))?;

    let mut model = Sequential::new();
    model.add(Input::new([2]));
    model.add(user);
    model.add(
        Embedding::new(4, 1).embeddings_initializer(|index: &[usize], _: &[usize]| index[0] as f32),
    );
    model.add(Reshape::new([2]));
    let y = model.predict_with(&x, Predict::new().verbose(false))?;
    assert_eq!(y, expected);

    let mut model = Sequential::new();
    model.add(Input::new([2]));
    model.add(Discretization::new().bin_boundaries([0.0, 8.0]).output_mode("one_hot"));
    let y = model.predict_with(&x, Predict::new().verbose(false))?;
    assert_eq!(y.shape(), [3, 2, 3]);
    assert_eq!(y.sum_axis(ndarray::Axis(2)), Array2::<f32>::ones((3, 2)).into_dyn());
    Ok(())
}

/// A spectrogram's kernels are trained with the rest of a model.
#[test]
fn spectrograms_are_trained() -> Result<(), NnError> {
    let tone = |frequency: f64| move |at: usize| (frequency * at as f64).sin() as f32;
    let x =
        Array2::from_shape_fn((8, 64), |(row, at)| tone(if row % 2 == 0 { 0.4 } else { 1.3 })(at));
    let y = ndarray::Array1::from_iter((0..8).map(|row| row % 2));
    for trainable in [true, false] {
        let mut model = Sequential::new();
        model.add(Input::new([64]));
        model.add(Reshape::new([64, 1]));
        model.add(STFTSpectrogram::new().frame_length(16).trainable(trainable));
        model.add(Flatten::new());
        model.add(Dense::new(2).activation("softmax"));
        let loss = "sparse_categorical_crossentropy";
        model.compile(Compile::new().optimizer("adam").loss(loss).metrics(["accuracy"]))?;
        let before = model.get_weights()?;
        model.fit(&x, &y, Fit::new().epochs(30).batch_size(4).verbose(false))?;
        let after = model.get_weights()?;
        assert_eq!(before[0] != after[0], trainable);
        assert_eq!(model.evaluate(&x, &y)?.get("accuracy"), Some(1.0));
    }
    let mut model = Sequential::new();
    model.add(Input::new([64]));
    model.add(MelSpectrogram::new().fft_length(16).sequence_stride(8).num_mel_bins(4));
    let y = model.predict_with(Data::from(x), Predict::new().verbose(false))?;
    assert_eq!(y.shape(), [8, 4, 9]);
    Ok(())
}
