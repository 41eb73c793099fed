"""Buffers are handed out again when nothing refers to their memory, and not before."""

import threading

import torch

from nextframe.engine import buffers
from nextframe.engine.buffers import KEPT_CALLS, LEAST_BYTES, Buffers

LARGE = (LEAST_BYTES // 4,)


def test_memory_is_used_again_once_it_is_free() -> None:
    take = Buffers().take
    first = take(LARGE)
    address = first.data_ptr()
    assert address % 64 == 0
    assert take(LARGE).data_ptr() != address
    part = first.view(2, -1)[1]  # a view holds on to the memory
    del first
    assert take(LARGE).data_ptr() != address
    del part
    found = {tensor.data_ptr() for tensor in [take(LARGE), take(LARGE)]}
    assert address in found


def test_part_of_a_larger_one_serves_and_the_smallest_that_does() -> None:
    take = Buffers().take
    sizes = [size * LARGE[0] for size in (2, 3, 10)]
    kept = [take((size,)) for size in sizes]
    addresses = [tensor.data_ptr() for tensor in kept]
    del kept
    first = take((2, LARGE[0] - 1))
    assert first.data_ptr() == addresses[0]
    assert first.shape == (2, LARGE[0] - 1)
    assert take(LARGE).data_ptr() == addresses[1]
    again = [take(LARGE).fill_(n) for n in range(3)]
    assert addresses[2] not in {tensor.data_ptr() for tensor in again}  # ten times the size
    assert [int(tensor.sum()) for tensor in again] == [n * LARGE[0] for n in range(3)]


def test_what_a_backward_pass_needs_is_kept() -> None:
    take = Buffers().take
    kept = take(LARGE).fill_(3)
    address = kept.data_ptr()
    leaf = torch.ones(LARGE, requires_grad=True)
    result = (leaf * kept).sum()  # autograd keeps the factor
    del kept
    take(LARGE).fill_(5)
    result.backward()
    assert leaf.grad is not None
    assert (leaf.grad == 3).all()
    del result
    assert address in {tensor.data_ptr() for tensor in [take(LARGE), take(LARGE), take(LARGE)]}


def test_arrays_of_it_hold_on_to_the_memory() -> None:
    take = Buffers().take
    array = take(LARGE).fill_(7).numpy()
    take(LARGE).fill_(1)
    assert (array == 7).all()


def test_small_ones_are_plain_and_old_ones_are_given_back() -> None:
    pool = Buffers()
    assert pool.take((2, 3)).shape == (2, 3)
    pool.take(LARGE)
    for _ in range(KEPT_CALLS + 1):
        pool.take((LEAST_BYTES // 2,))
    assert list(pool._buffers_by_size) == [LEAST_BYTES // 2]


def test_released_memory_is_not_taken_from_a_tensor() -> None:
    pool = Buffers()
    kept = pool.take(LARGE).fill_(9)
    pool.release()
    assert not pool._buffers_by_size
    pool.take(LARGE).fill_(1)
    assert (kept == 9).all()


def test_threads_never_share_memory() -> None:
    failures: list[int] = []

    def work(number: int) -> None:
        for _ in range(50):
            tensor = buffers.take(LARGE).fill_(number)
            if not (tensor == number).all():
                failures.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
