"""Writes the layers of Keras's applications, one a line: name, class, shape of the result, weights.

    pip install keras==3.15.1 jax
    KERAS_BACKEND=jax python reference.py
"""

from pathlib import Path

import keras

NAMES = {
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "resnet50": "ResNet50",
    "resnet50_v2": "ResNet50V2",
    "mobilenet_v2": "MobileNetV2",
    "densenet121": "DenseNet121",
    "efficientnet_b0": "EfficientNetB0",
    "xception": "Xception",
}

for name, attribute in NAMES.items():
    keras.backend.clear_session()
    model = getattr(keras.applications, attribute)(weights=None)
    lines = []
    for layer in model.layers:
        shape = layer.output.shape[1:]
        lines.append(f"{layer.name} {type(layer).__name__} {list(shape)} {layer.count_params()}")
    Path(__file__).with_name(f"{name}.txt").write_text("\n".join(lines) + "\n")
