"""The engine's kernels; see native/module.cpp. Numbers named after tensors are addresses of their memory."""

def instruction_sets() -> list[str]: ...
def choose(name: str) -> None: ...
def chosen() -> str: ...
def packed_forward_floats(shape: list[int]) -> int: ...
def packed_backward_floats(shape: list[int], frames: bool) -> int: ...
def gates_floats(shape: list[int]) -> int: ...
def pack_forward(*, shape: list[int], weight_x: int, weight_h: int, packed: int, threads: int) -> None: ...
def forward(
    *,
    shape: list[int],
    frames: int,
    bias: int,
    hidden: int,
    cell: int,
    packed: int,
    hiddens: int,
    cells: int,
    gates: int,
    threads: int,
) -> None: ...
def backward(
    *,
    shape: list[int],
    frames: int,
    weight_x: int,
    weight_h: int,
    hidden: int,
    cell: int,
    gates: int,
    cells: int,
    hiddens: int,
    grad_hiddens: int,
    packed: int,
    grad_hidden: int,
    grad_cell: int,
    grad_frames: int,
    grad_weight_x: int,
    grad_weight_h: int,
    grad_bias: int,
    wants_initial: bool,
    wants_weights: bool,
    threads: int,
) -> None: ...
def readout_forward(
    *, shape: list[int], features: int, recent: int, weight: int, bias: int, outputs: int, threads: int
) -> None: ...
def readout_backward(
    *,
    shape: list[int],
    features: int,
    recent: int,
    weight: int,
    grad_outputs: int,
    grad_features: int,
    grad_recent: int,
    grad_weight: int,
    weight_floats: int,
    threads: int,
) -> None: ...
def set_subnormals(zero: bool, threads: int) -> None: ...
