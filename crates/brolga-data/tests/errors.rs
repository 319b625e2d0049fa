//! Every message that this crate gives for bad input.

use std::fs;
use std::path::Path;

use brolga_data::{
    AudioOptions, Binary, Error, ImageOptions, NoLabels, PadOptions, Result, Subset, TextOptions,
    TimeseriesOptions, audio_dataset_from_directory, audio_datasets_from_directory, fashion_mnist,
    idx, image_dataset_from_directory, pad_sequences, read_audio, text_dataset_from_directory,
    text_datasets_from_directory, timeseries_dataset_from_array, to_categorical,
};
use insta::assert_snapshot;
use ndarray::{Ix1, Ix3, IxDyn, arr1, arr2};
use tempfile::{TempDir, tempdir};

/// The message of a failure, with the test's own folder called DIR.
fn message<T>(dir: &Path, result: Result<T>) -> String {
    match result {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string().replace(&dir.display().to_string(), "DIR"),
    }
}

/// A folder with one file in it, called `file`.
fn folder_with(content: &[u8]) -> TempDir {
    let dir = tempdir().expect("the system has a folder for temporary files");
    fs::write(dir.path().join("file"), content).expect("the new folder can be written to");
    dir
}

/// The message for reading a file of this content as bytes of any rank.
fn read_bytes(content: &[u8]) -> String {
    let dir = folder_with(content);
    message(dir.path(), idx::read::<u8, IxDyn>(dir.path().join("file")))
}

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes")
}

mod idx_files {
    use super::*;

    #[test]
    fn that_is_not_there() {
        let dir = folder_with(&[]);
        let result = idx::read::<u8, Ix3>(dir.path().join("nothing"));
        assert_snapshot!(
            message(dir.path(), result),
            @"cannot read DIR/nothing: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn that_is_a_folder() {
        let dir = folder_with(&[]);
        assert_snapshot!(
            message(dir.path(), idx::read::<u8, Ix3>(dir.path())),
            @"cannot read DIR: Is a directory (os error 21)"
        );
    }

    #[test]
    fn that_is_empty() {
        assert_snapshot!(read_bytes(&[]), @r"
        DIR/file is not an IDX file
          expected: it begins with 00 00, a dtype code and the number of dimensions
          given: an empty file
          help: give an IDX file, plain or compressed with gzip
        ");
    }

    #[test]
    fn of_another_format() {
        assert_snapshot!(read_bytes(b"\x89PNG\r\n"), @r"
        DIR/file is not an IDX file
          expected: it begins with 00 00, a dtype code and the number of dimensions
          given: 89 50 4e 47
          help: give an IDX file, plain or compressed with gzip
        ");
        assert_snapshot!(read_bytes(&[0, 0, 8]), @r"
        DIR/file is not an IDX file
          expected: it begins with 00 00, a dtype code and the number of dimensions
          given: 00 00 08
          help: give an IDX file, plain or compressed with gzip
        ");
    }

    #[test]
    fn of_an_unknown_dtype() {
        assert_snapshot!(read_bytes(&[0, 0, 0x0a, 1, 0, 0, 0, 0]), @r"
        DIR/file: unknown dtype
          expected: 0x08 (u8), 0x09 (i8), 0x0b (i16), 0x0c (i32), 0x0d (f32) or 0x0e (f64) as third byte
          given: 0x0a
          help: the file is damaged, or not an IDX file
        ");
    }

    #[test]
    fn of_another_dtype_or_rank() {
        let dir = folder_with(&[0, 0, 8, 1, 0, 0, 0, 1, 5]);
        let file = dir.path().join("file");
        assert_snapshot!(message(dir.path(), idx::read::<u8, Ix3>(&file)), @r"
        DIR/file holds another kind of array
          expected: u8[?,?,?]
          given: u8[1]
          help: ask for the dtype and the rank that the file has, or read it with `idx::read_dyn`
        ");
        assert_snapshot!(message(dir.path(), idx::read::<i32, IxDyn>(&file)), @r"
        DIR/file holds another kind of array
          expected: i32 of any rank
          given: u8[1]
          help: ask for the dtype and the rank that the file has, or read it with `idx::read_dyn`
        ");
    }

    #[test]
    fn that_is_truncated_in_its_header() {
        assert_snapshot!(read_bytes(&[0, 0, 8, 3, 0, 0, 0, 1, 0]), @r"
        DIR/file is truncated
          expected: 12 bytes for the lengths of 3 dimensions
          given: 5 bytes
          help: the file was not copied completely, fetch it again
        ");
    }

    #[test]
    fn that_is_truncated_in_its_data() {
        assert_snapshot!(read_bytes(&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5]), @r"
        DIR/file is truncated
          expected: 6 bytes of data, for u8[2,3]
          given: 5 bytes
          help: the file was not copied completely, fetch it again
        ");
    }

    #[test]
    fn that_claims_more_than_it_can_hold() {
        assert_snapshot!(
                read_bytes(&[0, 0, 8, 3, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 1]),
                @r"
            DIR/file is truncated
              expected: 281462092005375 bytes of data, for u8[65535,65535,65535]
              given: 1 bytes
              help: the file was not copied completely, fetch it again
            "
        );
        assert_snapshot!(read_bytes(&[&[0, 0, 8, 3][..], &[0xff; 12]].concat()), @r"
        DIR/file does not fit into memory
          given: u8[4294967295,4294967295,4294967295]
          help: the file is damaged, or this machine has too little memory for it
        ");
    }

    #[test]
    fn that_goes_on() {
        assert_snapshot!(read_bytes(&[0, 0, 8, 1, 0, 0, 0, 2, 1, 2, 3]), @r"
        DIR/file continues after its last value
          expected: 2 bytes of data, for u8[2], then the end
          given: more bytes
          help: the file is damaged or not an IDX file, fetch it again
        ");
    }

    #[test]
    fn that_are_damaged_gzip() {
        let whole = gzip(&[0, 0, 8, 1, 0, 0, 0, 2, 1, 2]);
        assert_snapshot!(read_bytes(&whole[..5]), @r"
        DIR/file is truncated
          expected: a whole compressed stream
          given: one that breaks off
          help: the file was not copied completely, fetch it again
        ");
        let without_checksum = &whole[..whole.len() - 8];
        assert_eq!(read_bytes(without_checksum), read_bytes(&whole[..5]));
        let mut damaged = whole.clone();
        let crc = whole.len() - 8;
        damaged[crc] ^= 1;
        assert_snapshot!(
            read_bytes(&damaged),
            @"cannot read DIR/file: corrupt gzip stream does not have a matching checksum"
        );
        assert_snapshot!(read_bytes(&gzip(b"hello")), @r"
        DIR/file is not an IDX file
          expected: it begins with 00 00, a dtype code and the number of dimensions
          given: 68 65 6c 6c
          help: give an IDX file, plain or compressed with gzip
        ");
    }

    #[test]
    fn from_a_stream() {
        let result = idx::read_from::<u8, Ix1>(&b"hello"[..], "the reply");
        assert_snapshot!(message(Path::new("DIR"), result), @r"
        the reply is not an IDX file
          expected: it begins with 00 00, a dtype code and the number of dimensions
          given: 68 65 6c 6c
          help: give an IDX file, plain or compressed with gzip
        ");
    }
}

mod fashion_mnist_folders {
    use super::*;

    /// A folder with `images` training images of `rows` × 28 pixels, and these labels.
    fn folder(images: u8, rows: u8, labels: &[u8]) -> TempDir {
        let dir = folder_with(&[]);
        let pixels = vec![0; usize::from(images) * usize::from(rows) * 28];
        let write = |name: &str, parts: [&[u8]; 2]| {
            fs::write(dir.path().join(name), parts.concat()).expect("the folder can be written to");
        };
        let images = [0, 0, 8, 3, 0, 0, 0, images, 0, 0, 0, rows, 0, 0, 0, 28];
        write("train-images-idx3-ubyte", [&images, &pixels]);
        let count = u8::try_from(labels.len()).expect("the tests give few labels");
        write("train-labels-idx1-ubyte", [&[0, 0, 8, 1, 0, 0, 0, count], labels]);
        dir
    }

    fn load(dir: TempDir) -> String {
        message(dir.path(), fashion_mnist::load_data_from(dir.path()))
    }

    #[test]
    fn without_a_file() {
        assert_snapshot!(load(folder(1, 28, &[0])), @r"
        DIR has no file t10k-images-idx3-ubyte
          expected: t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz
          given: neither of them
          help: give the folder that holds all four files of the data set
        ");
    }

    #[test]
    fn with_more_images_than_labels() {
        assert_snapshot!(load(folder(2, 28, &[0])), @r"
        DIR/train-images-idx3-ubyte and DIR/train-labels-idx1-ubyte do not belong together
          expected: one label for each image
          given: 2 images and 1 labels
          help: take all files from one data set
        ");
    }

    #[test]
    fn with_images_of_another_size() {
        assert_snapshot!(load(folder(1, 27, &[0])), @r"
        DIR/train-images-idx3-ubyte holds images of another size
          expected: 28 x 28 pixels
          given: 27 x 28 pixels
          help: read other IDX files with `idx::read`
        ");
    }

    #[test]
    fn with_a_label_out_of_range() {
        assert_snapshot!(load(folder(3, 28, &[0, 10, 11])), @r"
        DIR/train-labels-idx1-ubyte holds a label out of range
          expected: 0 to 9
          given: 10 in row 1
          help: the file is damaged or of another data set; read other IDX files with `idx::read`
        ");
    }
}

mod categorical {
    use super::*;

    fn convert<S, D>(y: &ndarray::ArrayBase<S, D>, num_classes: Option<usize>) -> String
    where
        S: ndarray::Data,
        S::Elem: Copy + std::fmt::Display + TryInto<usize>,
        D: ndarray::Dimension,
    {
        message(Path::new("DIR"), to_categorical(y, num_classes))
    }

    #[test]
    fn label_out_of_range() {
        assert_snapshot!(convert(&arr1(&[0, 3, 1]), Some(3)), @r"
        to_categorical: label out of range
          expected: 0 <= label < 3
          given: 3 at index 1
          help: labels count from 0; give a larger `num_classes`, or `None` for the largest label + 1
        ");
        assert_snapshot!(convert(&arr2(&[[0, 1], [-1, 2]]), None), @r"
        to_categorical: label out of range
          expected: 0 <= label < 3
          given: -1 at index (1, 0)
          help: labels count from 0; give a larger `num_classes`, or `None` for the largest label + 1
        ");
        assert_snapshot!(convert(&arr1(&[0_u8]), Some(0)), @r"
        to_categorical: label out of range
          expected: 0 <= label < 0
          given: 0 at index 0
          help: labels count from 0; give a larger `num_classes`, or `None` for the largest label + 1
        ");
    }

    #[test]
    fn nothing_to_infer_from() {
        assert_snapshot!(convert(&arr1::<u8>(&[]), None), @r"
        to_categorical: the number of classes is unknown
          expected: at least one label, or `num_classes`
          given: no label and no `num_classes`
          help: give `Some(number of classes)`
        ");
    }

    #[test]
    fn result_too_large() {
        assert_snapshot!(convert(&arr1(&[1, 1_i64 << 62]), None), @r"
        to_categorical: the result does not fit into memory
          given: f32[2,4611686018427387905]
          help: is one of the labels no label? otherwise train on the labels themselves, with `sparse_categorical_crossentropy`
        ");
        assert_snapshot!(convert(&arr1(&[u64::MAX]), None), @r"
        to_categorical: the result does not fit into memory
          given: f32[1,18446744073709551615]
          help: is one of the labels no label? otherwise train on the labels themselves, with `sparse_categorical_crossentropy`
        ");
    }
}

mod images {
    use super::*;

    fn read(dir: &TempDir, options: ImageOptions) -> String {
        message(dir.path(), image_dataset_from_directory::<f32>(dir.path(), options))
    }

    /// A folder with the classes `cat` and `dog`, and one image of a cat.
    fn pets() -> TempDir {
        let dir = tempdir().expect("the system has a folder for temporary files");
        for class in ["cat", "dog"] {
            fs::create_dir(dir.path().join(class)).expect("the folder is new");
        }
        image::RgbImage::new(2, 2).save(dir.path().join("cat/1.png")).expect("png is built in");
        dir
    }

    #[test]
    fn folder_that_is_not_there() {
        let dir = tempdir().expect("the system has a folder for temporary files");
        let nothing = dir.path().join("nothing");
        let result = image_dataset_from_directory::<u8>(nothing, ImageOptions::new());
        assert_snapshot!(
            message(dir.path(), result),
            @"cannot read DIR/nothing: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn folder_without_classes() {
        assert_snapshot!(read(&folder_with(b"1"), ImageOptions::new()), @r"
        DIR has no classes
          expected: one folder for each class, with the class's images in it
          given: no folder, 1 files
          help: move the images of each class into a folder of the class's name
        ");
    }

    #[test]
    fn classes_without_images() {
        let dir = pets();
        fs::remove_file(dir.path().join("cat/1.png")).expect("the test has just written it");
        assert_snapshot!(read(&dir, ImageOptions::new()), @r#"
        DIR has no images
          expected: .bmp, .gif, .jpeg, .jpg or .png files in the classes: "cat", "dog"
          given: none
          help: other formats have to be converted
        "#);
    }

    #[test]
    fn no_classes_asked_for() {
        let none: [&str; 0] = [];
        assert_snapshot!(read(&pets(), ImageOptions::new().class_names(none)), @r"
        DIR has no images
          expected: .bmp, .gif, .jpeg, .jpg or .png files in the classes: none
          given: none
          help: other formats have to be converted
        ");
    }

    #[test]
    fn class_that_is_not_there() {
        assert_snapshot!(read(&pets(), ImageOptions::new().class_names(["cat", "cow"])), @r#"
        DIR has no class "cow"
          expected: "dog"
          given: "cow"
          help: `class_names` gives names of folders, each once
        "#);
        assert_snapshot!(read(&pets(), ImageOptions::new().class_names(["cat", "cat"])), @r#"
        DIR has no class "cat"
          expected: "dog"
          given: "cat"
          help: `class_names` gives names of folders, each once
        "#);
    }

    #[test]
    fn damaged_images() {
        let dir = pets();
        let image = dir.path().join("cat/1.png");
        let whole = fs::read(&image).expect("the test has just written it");
        fs::write(&image, &whole[..whole.len() / 2]).expect("the folder can be written to");
        assert_snapshot!(read(&dir, ImageOptions::new()), @r"
        DIR/cat/1.png cannot be decoded: unexpected end of file
          expected: an image in the format BMP, GIF, JPEG or PNG
          help: convert the file, or take it out of the folder
        ");
        fs::write(&image, b"hello").expect("the folder can be written to");
        assert_snapshot!(read(&dir, ImageOptions::new()), @r"
        DIR/cat/1.png cannot be decoded: Format error decoding Png: Invalid PNG signature.
          expected: an image in the format BMP, GIF, JPEG or PNG
          help: convert the file, or take it out of the folder
        ");
    }

    #[test]
    fn sizes_that_cannot_be() {
        assert_snapshot!(read(&pets(), ImageOptions::new().image_size((0, 5))), @r"
        image_size has no pixels
          expected: at least (1, 1)
          given: (0, 5)
          help: give the height and the width in pixels
        ");
        assert_snapshot!(read(&pets(), ImageOptions::new().image_size((usize::MAX, 5))), @r"
        DIR does not fit into memory
          given: f32[1,18446744073709551615,5,3]
          help: give a smaller `image_size`, or read the images as u8
        ");
    }
}

mod texts {
    use super::*;

    /// A folder with the classes `blame` and `praise`, and a text of each.
    fn reviews() -> TempDir {
        let dir = tempdir().expect("the system has a folder for temporary files");
        for class in ["blame", "praise"] {
            fs::create_dir(dir.path().join(class)).expect("the folder is new");
            fs::write(dir.path().join(class).join("1.txt"), class).expect("the folder is new");
        }
        dir
    }

    fn read(dir: &TempDir, options: TextOptions) -> String {
        message(dir.path(), text_dataset_from_directory(dir, options))
    }

    #[test]
    fn folders_without_texts() {
        let dir = tempdir().expect("the system has a folder for temporary files");
        assert_snapshot!(read(&dir, TextOptions::new()), @r"
        DIR has no classes
          expected: one folder for each class, with the class's texts in it
          given: no folder, 0 files
          help: move the texts of each class into a folder of the class's name
        ");
        let unlabeled = TextOptions::new().label_mode(NoLabels);
        assert_snapshot!(message(dir.path(), text_dataset_from_directory(&dir, unlabeled)), @r"
        DIR has no texts
          expected: .txt files in it or in the folders below
          given: none
          help: other formats have to be converted
        ");
        fs::create_dir(dir.path().join("empty")).expect("the folder is new");
        assert_snapshot!(read(&dir, TextOptions::new()), @r#"
        DIR has no texts
          expected: .txt files in the classes: "empty"
          given: none
          help: other formats have to be converted
        "#);
        assert_snapshot!(
            message(dir.path(), text_dataset_from_directory(dir.path().join("no"), TextOptions::new())),
            @"cannot read DIR/no: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn options_that_do_not_fit() {
        let new = TextOptions::new;
        assert_snapshot!(read(&reviews(), new().batch_size(0)), @r"
        text_dataset_from_directory: batch_size is too small
          expected: at least 1
          given: 0
          help: give the number of files of a batch
        ");
        assert_snapshot!(read(&reviews(), new().validation_split(1.0).subset(Subset::Training)), @r"
        text_dataset_from_directory: validation_split is no share
          expected: above 0 and below 1
          given: 1
          help: give the share of the files that are for validation, such as 0.2
        ");
        assert_snapshot!(read(&reviews(), new().validation_split(0.5)), @r"
        text_dataset_from_directory: subset is not given
          expected: subset with validation_split
          given: validation_split 0.5, no subset
          help: say which part is to be read, or ask for both
        ");
        assert_snapshot!(read(&reviews(), new().subset(Subset::Validation)), @r"
        text_dataset_from_directory: validation_split is not given
          expected: validation_split with subset
          given: subset validation, no validation_split
          help: say how many of the files are for validation
        ");
        assert_snapshot!(read(&reviews(), new().class_names(["praise", "joy"])), @r#"
        DIR has no class "joy"
          expected: "blame"
          given: "joy"
          help: `class_names` gives names of folders, each once
        "#);
        assert_snapshot!(read(&reviews(), new().labels([0, 1]).class_names(["praise"])), @r"
        text_dataset_from_directory: labels and class_names are given
          expected: one of them
          given: both
          help: the classes are the labels that occur: leave class_names out
        ");
        assert_snapshot!(read(&reviews(), new().labels([0])), @r"
        text_dataset_from_directory: labels and files differ in number
          expected: 2 labels, one for each file
          given: 1
          help: give the labels in the order of the paths of the files
        ");
        assert_snapshot!(read(&reviews(), new().labels([0, 2])), @r"
        text_dataset_from_directory: a label is out of range
          expected: 0 to 1, since there are 2 different labels
          given: 2
          help: number the classes from 0 on
        ");
        assert_snapshot!(read(&reviews(), new().validation_split(0.2).subset(Subset::Validation)), @r"
        DIR has no texts for validation
          expected: at least one of 2 files
          given: none, with validation_split 0.2
          help: give another `validation_split`, or more files
        ");
        let dir = reviews();
        let both = text_datasets_from_directory(&dir, new().validation_split(0.2));
        assert_snapshot!(message(dir.path(), both), @r"
        DIR has no texts for validation
          expected: at least one of 2 files
          given: none, with validation_split 0.2
          help: give another `validation_split`, or more files
        ");
        let one = new().class_names(["praise"]).label_mode(Binary);
        assert_snapshot!(message(dir.path(), text_dataset_from_directory(&dir, one)), @r#"
        text_dataset_from_directory: labels are no truth values
          expected: two classes with the label mode Binary
          given: 1: ["praise"]
          help: use Int or Categorical, or give two class_names
        "#);
    }

    #[test]
    fn bytes_that_are_no_text() {
        let dir = reviews();
        fs::write(dir.path().join("blame/1.txt"), b"na\xefve")
            .expect("the folder can be written to");
        let data = text_dataset_from_directory(&dir, TextOptions::new()).expect("two files");
        let batch = data.batches().next().expect("a batch");
        assert_snapshot!(message(dir.path(), batch), @r"
        DIR/blame/1.txt is not UTF-8
          expected: a text in UTF-8
          given: other bytes from byte 2 on
          help: convert it, for example with `iconv -f latin1 -t utf-8`, or take it out of the folder
        ");
    }
}

mod sounds {
    use super::*;

    /// Writes samples of 16 bits.
    fn write(path: &Path, channels: u16, sample_rate: u32, samples: usize) {
        let sample_format = hound::SampleFormat::Int;
        let spec = hound::WavSpec { channels, sample_rate, bits_per_sample: 16, sample_format };
        let mut file = hound::WavWriter::create(path, spec).expect("the folder can be written to");
        (0..samples).for_each(|_| file.write_sample(0_i16).expect("the disk has room"));
        file.finalize().expect("the disk has room");
    }

    /// A folder of one class with a sound of 8,000 Hz, and whatever else is written.
    fn words(other: impl Fn(&Path)) -> TempDir {
        let dir = tempdir().expect("the system has a folder for temporary files");
        fs::create_dir(dir.path().join("yes")).expect("the folder is new");
        write(&dir.path().join("yes/1.wav"), 1, 8000, 10);
        other(&dir.path().join("yes/2.wav"));
        dir
    }

    /// The message for reading all sounds of a folder.
    fn read(dir: &TempDir, options: AudioOptions) -> String {
        let data = audio_dataset_from_directory(dir, options.shuffle(false));
        message(dir.path(), data.and_then(|data| data.read_all()))
    }

    #[test]
    fn of_another_rate_or_number_of_channels() {
        let dir = words(|path| write(path, 1, 16_000, 10));
        assert_snapshot!(read(&dir, AudioOptions::new()), @r"
        DIR/yes/2.wav has another sampling rate
          expected: 8000 Hz, as DIR/yes/1.wav
          given: 16000 Hz
          help: give `sampling_rate`, to which all files are then resampled
        ");
        assert_eq!(read(&dir, AudioOptions::new().sampling_rate(8000)), "no error");
        let dir = words(|path| write(path, 2, 8000, 10));
        assert_snapshot!(read(&dir, AudioOptions::new()), @r"
        DIR/yes/2.wav has another number of channels
          expected: 1, as DIR/yes/1.wav
          given: 2
          help: mix the channels into one, for example with `ffmpeg -i IN -ac 1 OUT.wav`
        ");
    }

    #[test]
    fn that_are_damaged() {
        let dir = words(|path| fs::write(path, "no sound").expect("the folder can be written to"));
        assert_snapshot!(read(&dir, AudioOptions::new()), @r"
        DIR/yes/2.wav cannot be decoded: Ill-formed WAVE file: no RIFF tag found
          expected: WAV (PCM of 8 to 32 bits or f32) or FLAC
          help: convert the file, for example with `ffmpeg -i IN OUT.wav`, or take it out of the folder
        ");
        let dir = words(|path| fs::write(path, "RIFF").expect("the folder can be written to"));
        assert_snapshot!(read(&dir, AudioOptions::new()), @r"
        DIR/yes/2.wav cannot be decoded: the file ends too early
          expected: WAV (PCM of 8 to 32 bits or f32) or FLAC
          help: convert the file, for example with `ffmpeg -i IN OUT.wav`, or take it out of the folder
        ");
        let dir = words(|path| {
            write(path, 1, 8000, 10);
            let whole = fs::read(path).expect("the test has just written it");
            fs::write(path, &whole[..whole.len() - 5]).expect("the folder can be written to");
        });
        assert_snapshot!(read(&dir, AudioOptions::new()), @r"
        DIR/yes/2.wav cannot be decoded: the file ends too early
          expected: WAV (PCM of 8 to 32 bits or f32) or FLAC
          help: convert the file, for example with `ffmpeg -i IN OUT.wav`, or take it out of the folder
        ");
        let dir =
            words(|path| fs::write(path, b"fLaC\0\0\0").expect("the folder can be written to"));
        assert_snapshot!(read(&dir, AudioOptions::new()), @r"
        DIR/yes/2.wav cannot be decoded: the file ends too early
          expected: WAV (PCM of 8 to 32 bits or f32) or FLAC
          help: convert the file, for example with `ffmpeg -i IN OUT.wav`, or take it out of the folder
        ");
        assert_snapshot!(message(dir.path(), read_audio(dir.path().join("nothing.wav"))), @"cannot read DIR/nothing.wav: No such file or directory (os error 2)");
    }

    #[test]
    fn options_that_do_not_fit() {
        let dir = words(|_| {});
        assert_snapshot!(read(&dir, AudioOptions::new().sampling_rate(0)), @r"
        audio_dataset_from_directory: sampling_rate is too small
          expected: at least 1
          given: 0
          help: give the samples a second, such as 16000
        ");
        let long = AudioOptions::new().output_sequence_length(usize::MAX);
        assert_snapshot!(read(&dir, long), @r"
        a batch of sounds does not fit into memory
          given: f32[1,18446744073709551615,1]
          help: give a smaller `batch_size` or `output_sequence_length`
        ");
        let both = audio_datasets_from_directory(&dir, AudioOptions::new().ragged());
        assert_snapshot!(message(dir.path(), both), @r"
        audio_datasets_from_directory: validation_split is not given
          expected: validation_split with subset
          given: subset both, no validation_split
          help: say how many of the files are for validation
        ");
    }
}

mod sequences {
    use super::*;

    #[test]
    fn that_cannot_be_padded() {
        let none: [Vec<i32>; 0] = [];
        let given = |result| message(Path::new("DIR"), result);
        assert_snapshot!(given(pad_sequences(&none, PadOptions::new())), @r"
        pad_sequences: there are no sequences
          expected: at least one
          given: none
          help: give the sequences as a list
        ");
        let steps = [ndarray::Array2::<i32>::zeros((1, 2)), ndarray::Array2::zeros((2, 3))];
        assert_snapshot!(given(pad_sequences(&steps, PadOptions::new())), @r"
        pad_sequences: the steps of sequence 1 have another shape
          expected: [2], as those before it
          given: [3]
          help: all steps of all sequences need one shape
        ");
        let huge = PadOptions::new().maxlen(usize::MAX);
        assert_snapshot!(given(pad_sequences(&[[1]], huge)), @r"
        pad_sequences: the result does not fit into memory
          given: array[1,18446744073709551615]
          help: give a smaller `maxlen`, or pad fewer sequences at a time
        ");
    }

    #[test]
    fn windows_that_cannot_be() {
        let data = arr1(&[0.0; 10]);
        let cut = |length: usize, options: TimeseriesOptions| {
            message(Path::new("DIR"), timeseries_dataset_from_array(&data, (), length, options))
        };
        let new = TimeseriesOptions::new;
        assert_snapshot!(cut(0, new()), @r"
        timeseries_dataset_from_array: sequence_length is too small
          expected: at least 1
          given: 0
          help: count from 1 on
        ");
        assert_snapshot!(cut(2, new().sequence_stride(10)), @r"
        timeseries_dataset_from_array: sequence_stride is too large
          expected: less than the 10 steps of the data
          given: 10
          help: it counts steps of the data
        ");
        assert_snapshot!(cut(2, new().sampling_rate(0)), @r"
        timeseries_dataset_from_array: sampling_rate is too small
          expected: at least 1
          given: 0
          help: count from 1 on
        ");
        assert_snapshot!(cut(2, new().start_index(5).end_index(5)), @r"
        timeseries_dataset_from_array: the range of steps is empty
          expected: start_index < end_index <= 10
          given: 5 and 5
          help: both count the steps of the data from 0 on
        ");
        assert_snapshot!(cut(2, new().end_index(11)), @r"
        timeseries_dataset_from_array: the range of steps is empty
          expected: start_index < end_index <= 10
          given: 0 and 11
          help: both count the steps of the data from 0 on
        ");
        assert_snapshot!(cut(11, new()), @r"
        timeseries_dataset_from_array: there is no window
          expected: at least 11 steps, and a target for the first of them
          given: 10 steps
          help: give more data, or shorter windows
        ");
        let targets = arr1(&[0.0; 3]);
        let late = new().start_index(3);
        let none = timeseries_dataset_from_array(&data, targets.view(), 2, late);
        assert_snapshot!(message(Path::new("DIR"), none), @r"
        timeseries_dataset_from_array: there is no window
          expected: at least 2 steps, and a target for the first of them
          given: 7 steps and 3 targets
          help: give more data, or shorter windows
        ");
    }
}

#[test]
fn errors_can_be_sent_between_threads() {
    fn check<T: std::error::Error + Send + Sync + 'static>() {}
    check::<Error>();
}
