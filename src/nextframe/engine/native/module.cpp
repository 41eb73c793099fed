// The Python module `_native`: chooses the instruction set and runs jobs on the pool. Its arguments are addresses of
// tensors that nextframe.engine.operators has checked and holds alive; jobs take them by name alone, as _native.pyi has
// them, so that no two languages have to agree on an order.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "engine.hpp"
#include "pool.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace nextframe;

namespace {

std::vector<const Kernels*> available() {
  std::vector<const Kernels*> all;
#ifdef NEXTFRAME_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq"))
    all.push_back(&avx512_kernels);
  if (avx2) all.push_back(&avx2_kernels);
#endif
  all.push_back(&portable_kernels);
  return all;
}

const Kernels* chosen = available().front();

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Kernels* kernels : available()) names.emplace_back(kernels->name);
  return names;
}

void choose(const std::string& name) {
  for (const Kernels* kernels : available())
    if (name == kernels->name) {
      chosen = kernels;
      return;
    }
  throw std::invalid_argument("this processor has no " + name);
}

template <typename T = float>
T* pointer(size_t address) {
  return reinterpret_cast<T*>(address);
}

Shape shape_of(const std::vector<int>& s) {
  if (s.size() != 7) throw std::invalid_argument("a shape has seven numbers");
  return {s[0], s[1], s[2], s[3], s[4], s[5], s[6]};
}

size_t packed_forward_floats(const std::vector<int>& shape) { return chosen->packed_forward(shape_of(shape)); }
size_t packed_backward_floats(const std::vector<int>& shape, bool frames) {
  return chosen->packed_backward(shape_of(shape), frames);
}
size_t gates_floats(const std::vector<int>& shape) { return chosen->gates(shape_of(shape)); }

// Memory for the intermediate results of each thread.
std::vector<float*> scratches(Pool& pool, int threads, size_t floats) {
  std::vector<float*> all;
  for (int id = 0; id < threads; ++id) all.push_back(pool.scratch(id, floats));
  return all;
}

void pack_forward(const std::vector<int>& shape, size_t weight_x, size_t weight_h, size_t packed, int threads) {
  ForwardJob job{};
  job.shape = shape_of(shape);
  job.weight_x = pointer(weight_x);
  job.weight_h = pointer(weight_h);
  job.packed = pointer(packed);
  nb::gil_scoped_release release;
  Pool& pool = Pool::instance();
  std::lock_guard<std::mutex> lock(pool.lock());
  pool.run(threads, [&](int id) { chosen->pack_forward(job, id, threads); });
}

void forward(const std::vector<int>& shape, size_t frames, size_t bias, size_t hidden, size_t cell, size_t packed,
             size_t hiddens, size_t cells, size_t gates, int threads) {
  ForwardJob job{};
  job.shape = shape_of(shape);
  job.frames = pointer(frames);
  job.bias = pointer(bias);
  job.hidden = pointer(hidden);
  job.cell = pointer(cell);
  job.packed = pointer(packed);
  job.hiddens = pointer(hiddens);
  job.cells = pointer(cells);
  job.gates = pointer(gates);
  nb::gil_scoped_release release;
  Pool& pool = Pool::instance();
  std::lock_guard<std::mutex> lock(pool.lock());
  const std::vector<float*> scratch = scratches(pool, threads, chosen->scratch(job.shape));
  Barrier barrier(threads);
  pool.run(threads, [&](int id) { chosen->forward(job, id, threads, barrier, scratch[id]); });
}

void backward(const std::vector<int>& shape, size_t frames, size_t weight_x, size_t weight_h, size_t hidden,
              size_t cell, size_t gates, size_t cells, size_t hiddens, size_t grad_hiddens, size_t packed,
              size_t grad_hidden, size_t grad_cell, size_t grad_frames, size_t grad_weight_x, size_t grad_weight_h,
              size_t grad_bias, bool wants_initial, bool wants_weights, int threads) {
  BackwardJob job{};
  job.shape = shape_of(shape);
  job.frames = pointer(frames);
  job.weight_x = pointer(weight_x);
  job.weight_h = pointer(weight_h);
  job.hidden = pointer(hidden);
  job.cell = pointer(cell);
  job.gates = pointer(gates);
  job.cells = pointer(cells);
  job.hiddens = pointer(hiddens);
  job.grad_hiddens = pointer(grad_hiddens);
  job.packed = pointer(packed);
  job.grad_hidden = pointer(grad_hidden);
  job.grad_cell = pointer(grad_cell);
  job.grad_frames = pointer(grad_frames);
  job.grad_weight_x = pointer(grad_weight_x);
  job.grad_weight_h = pointer(grad_weight_h);
  job.grad_bias = pointer(grad_bias);
  job.wants_weights = wants_weights;
  job.wants_initial = wants_initial;
  nb::gil_scoped_release release;
  Pool& pool = Pool::instance();
  std::lock_guard<std::mutex> lock(pool.lock());
  const std::vector<float*> scratch = scratches(pool, threads, chosen->scratch(job.shape));
  Barrier barrier(threads);
  pool.run(threads, [&](int id) { chosen->pack_backward(job, id, threads); });
  pool.run(threads, [&](int id) { chosen->backward(job, id, threads, barrier, scratch.data()); });
  if (!wants_weights) return;
  pool.run(threads, [&](int id) { chosen->finish_weight_gradient(job, id, threads, scratch.data()); });
}

ReadoutShape readout_shape_of(const std::vector<int>& s) {
  if (s.size() != 8) throw std::invalid_argument("a readout's shape has eight numbers");
  return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};
}

void readout_forward(const std::vector<int>& shape, size_t features, size_t recent, size_t weight, size_t bias,
                     size_t outputs, int threads) {
  ReadoutJob job{};
  job.shape = readout_shape_of(shape);
  job.features = pointer(features);
  job.recent = pointer(recent);
  job.weight = pointer(weight);
  job.bias = pointer(bias);
  job.outputs = pointer(outputs);
  nb::gil_scoped_release release;
  Pool& pool = Pool::instance();
  std::lock_guard<std::mutex> lock(pool.lock());
  const std::vector<float*> scratch = scratches(pool, threads, chosen->readout_scratch(job.shape));
  pool.run(threads, [&](int id) { chosen->readout_forward(job, id, threads, scratch[id]); });
}

void readout_backward(const std::vector<int>& shape, size_t features, size_t recent, size_t weight, size_t grad_outputs,
                      size_t grad_features, size_t grad_recent, size_t grad_weight, size_t weight_floats, int threads) {
  ReadoutJob job{};
  job.shape = readout_shape_of(shape);
  job.features = pointer(features);
  job.recent = pointer(recent);
  job.weight = pointer(weight);
  job.grad_outputs = pointer(grad_outputs);
  job.grad_features = pointer(grad_features);
  job.grad_recent = pointer(grad_recent);
  float* sums = pointer(grad_weight);
  nb::gil_scoped_release release;
  Pool& pool = Pool::instance();
  std::lock_guard<std::mutex> lock(pool.lock());
  const std::vector<float*> scratch = scratches(pool, threads, chosen->readout_scratch(job.shape));
  pool.run(threads, [&](int id) { chosen->readout_backward(job, id, threads, scratch[id]); });
  for (int id = 0; id < threads; ++id)
    for (size_t i = 0; i < weight_floats; ++i) sums[i] += scratch[id][i];
}

void set_subnormals(bool zero, int threads) {
  nb::gil_scoped_release release;
  Pool& pool = Pool::instance();
  std::lock_guard<std::mutex> lock(pool.lock());
  pool.set_subnormals(threads, zero);
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "The ConvLSTM engine's kernels; use nextframe.engine.";
  m.def("instruction_sets", &instruction_sets, "Instruction sets that this processor has kernels for, best first.");
  m.def("choose", &choose, "name"_a, "Use the kernels of one instruction set.");
  m.def("chosen", [] { return std::string(chosen->name); }, "The instruction set in use.");
  m.def("packed_forward_floats", &packed_forward_floats, "shape"_a);
  m.def("packed_backward_floats", &packed_backward_floats, "shape"_a, "frames"_a);
  m.def("gates_floats", &gates_floats, "shape"_a);
  m.def("pack_forward", &pack_forward, nb::kw_only(), "shape"_a, "weight_x"_a, "weight_h"_a, "packed"_a, "threads"_a);
  m.def("forward", &forward, nb::kw_only(), "shape"_a, "frames"_a, "bias"_a, "hidden"_a, "cell"_a, "packed"_a,
        "hiddens"_a, "cells"_a, "gates"_a, "threads"_a);
  m.def("backward", &backward, nb::kw_only(), "shape"_a, "frames"_a, "weight_x"_a, "weight_h"_a, "hidden"_a, "cell"_a,
        "gates"_a, "cells"_a, "hiddens"_a, "grad_hiddens"_a, "packed"_a, "grad_hidden"_a, "grad_cell"_a,
        "grad_frames"_a, "grad_weight_x"_a, "grad_weight_h"_a, "grad_bias"_a, "wants_initial"_a, "wants_weights"_a,
        "threads"_a);
  m.def("readout_forward", &readout_forward, nb::kw_only(), "shape"_a, "features"_a, "recent"_a, "weight"_a, "bias"_a,
        "outputs"_a, "threads"_a);
  m.def("readout_backward", &readout_backward, nb::kw_only(), "shape"_a, "features"_a, "recent"_a, "weight"_a,
        "grad_outputs"_a, "grad_features"_a, "grad_recent"_a, "grad_weight"_a, "weight_floats"_a, "threads"_a);
  m.def("set_subnormals", &set_subnormals, "zero"_a, "threads"_a,
        "Whether subnormal numbers count as zero on PyTorch's threads, from now on.");
}
