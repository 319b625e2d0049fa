"""Loads what Brolga has written with Keras, and compares what it computes.

    KERAS_BACKEND=jax python check_keras.py FOLDER WRITTEN

`FOLDER` has the `NAME.npz` of `keras_models.py` and `keras2_models.py`; `WRITTEN` has `NAME.keras` or
`NAME.h5` by Brolga, of the same models. Each is loaded without a warning, predicts the same within 1e-5,
and makes the same step of training; not of `.h5`, of which Keras 3.15 on JAX does not train its own files.
`NAME.weights.h5` by Brolga is loaded into the model of `FOLDER/NAME.keras`, whose weights it must equal.
"""

import os
import sys
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

folder, written = sys.argv[1:]
warnings.simplefilter("error")
# Keras says so of every model whose input is a list; it is not about the file.
warnings.filterwarnings("ignore", message="The structure of `inputs`")
failed = 0
for file in sorted(os.listdir(written)):
    name, ending = os.path.splitext(file)
    if ending not in [".keras", ".h5"] or not os.path.exists(os.path.join(folder, name + ".npz")):
        continue
    try:
        expected = np.load(os.path.join(folder, name + ".npz"))
        model = keras.models.load_model(os.path.join(written, file))

        def arrays(kind):
            found = []
            while f"{kind}{len(found)}" in expected:
                found.append(expected[f"{kind}{len(found)}"])
            return found if len(found) != 1 else found[0]

        y = model.predict(arrays("x"), verbose=0)
        for given, own in zip(y if isinstance(y, list) else [y], arrays("y") if isinstance(arrays("y"), list) else [arrays("y")]):
            np.testing.assert_allclose(given, own, atol=1e-5, rtol=1e-5)
        if "tx0" in expected and ending == ".keras":
            model.train_on_batch(arrays("tx"), arrays("ty"))
            for index, weight in enumerate(model.weights):
                np.testing.assert_allclose(
                    np.asarray(weight), expected[f"after/{index}"], atol=2e-5, rtol=2e-5, err_msg=weight.path
                )
        print(file, "passed")
    except Exception as error:
        failed += 1
        print(file, "FAILED", type(error).__name__, str(error)[:1500])
for file in sorted(os.listdir(written)):
    if not file.endswith(".weights.h5"):
        continue
    original = os.path.join(folder, file.removesuffix(".weights.h5") + ".keras")
    # A compiled model of Keras wants the optimizer in the file too.
    model, filled = (keras.models.load_model(original, compile=False) for _ in range(2))
    for weight in filled.weights:
        weight.assign(np.zeros(weight.shape))
    filled.load_weights(os.path.join(written, file))
    same = [np.array_equal(a, b) for a, b in zip(model.weights, filled.weights)]
    failed += not all(same)
    print(file, "passed" if all(same) else "FAILED")
sys.exit(failed > 0)
