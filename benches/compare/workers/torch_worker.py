"""PyTorch, eager or with torch.compile: channels_last, fused Adam."""

import common
import torch
import torch.nn.functional as F
import torch_model

parser = common.arguments()
parser.add_argument("--compile", action="store_true")
options = parser.parse_args()
torch.set_num_threads(options.threads)
torch.set_num_interop_threads(1)
torch.manual_seed(1)
channels_last = torch.channels_last


def compiled(function):
    """Compiled for its shapes alone, as if no other case had been there before."""
    torch.compiler.reset()
    return torch.compile(function, dynamic=False)


class Train(common.Case):
    def __init__(self, command):
        task = common.Task(command)
        model = torch_model.network(task, task.with_logits()).train()
        loss = torch_model.LOSSES[task.loss]
        self.batch = [torch_model.tensor(array) for array in task.x], torch_model.tensor(task.y)
        epsilon = common.epsilon(command)
        if task.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
        else:
            self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=epsilon, fused=True)
        self.loss = lambda x, y: loss(model(*x), y)
        if options.compile:
            self.loss = compiled(self.loss)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(*self.batch)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class Predict(common.Case):
    def __init__(self, command):
        task = common.Task(command)
        self.run = torch_model.network(task, task.layers).eval()
        self.x = [torch_model.tensor(array) for array in task.x]
        if options.compile:
            self.run = compiled(self.run)

    def step(self):
        with torch.inference_mode():
            return self.run(*self.x)


class Conv(common.Case):
    """One convolution or one of its gradients, all tensors channels-last."""

    def __init__(self, command):
        b, pixels, channels = command["batch"], command["pixels"], command["channels"]
        kernel, filters, stride = command["kernel"], command["filters"], command["stride"]
        pad = kernel // 2
        out = (pixels + 2 * pad - kernel) // stride + 1
        shapes = {
            "x": (b, pixels, pixels, channels),
            "filter": (kernel, kernel, channels, filters),
            "dy": (b, out, out, filters),
        }
        operands = {"forward": ("x", "filter"), "input": ("dy", "filter"), "filter": ("x", "dy")}
        tensors = {"x": None, "filter": None, "dy": None}
        for seed, name in enumerate(operands[command["pass"]], 1):
            tensor = torch.from_numpy(common.noise(shapes[name], seed))
            order = (3, 2, 0, 1) if name == "filter" else (0, 3, 1, 2)
            tensors[name] = tensor.permute(order).contiguous(memory_format=channels_last)
        x, filter, dy = tensors.values()
        self.filter_gradient = command["pass"] == "filter"
        if command["pass"] == "forward":
            self.run = lambda: F.conv2d(x, filter, None, stride, pad)
            return
        # Of the operand whose gradient is wanted, only the shape is read.
        if x is None:
            x = torch.empty(b, channels, pixels, pixels, memory_format=channels_last)
        if filter is None:
            filter = torch.empty(filters, channels, kernel, kernel, memory_format=channels_last)
        wanted = [command["pass"] == "input", command["pass"] == "filter", False]
        backward = torch.ops.aten.convolution_backward
        common_arguments = (None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, wanted)
        index = wanted.index(True)
        self.run = lambda: backward(dy, x, filter, *common_arguments)[index]

    def step(self):
        with torch.inference_mode():
            return self.run()

    def value(self, result):
        order = (2, 3, 1, 0) if self.filter_gradient else (0, 2, 3, 1)
        return common.samples(result.permute(order).contiguous())


class Matmul(common.Case):
    def __init__(self, command):
        m, k, n = command["m"], command["k"], command["n"]
        self.a, self.b = (
            torch.from_numpy(common.noise(shape, seed)) for seed, shape in [(1, (m, k)), (2, (k, n))]
        )
        self.c = torch.empty(m, n)

    def step(self):
        with torch.inference_mode():
            return torch.mm(self.a, self.b, out=self.c)


def versions():
    return {"torch": torch.__version__}


kinds = {"train": Train, "predict": Predict, "conv": Conv, "matmul": Matmul}
common.serve(versions, lambda command: kinds[command["run"]](command))
