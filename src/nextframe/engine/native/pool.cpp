#include "pool.hpp"

#include <pthread.h>
#include <sched.h>

#include <cstdlib>
#include <new>

#include "engine.hpp"

namespace nextframe {

void Barrier::yield() { sched_yield(); }

namespace {
Pool* the_pool = nullptr;  // never destroyed: its threads sleep until the process ends
}

Pool& Pool::instance() {
  static std::once_flag once;
  std::call_once(once, [] {
    the_pool = new Pool;
    pthread_atfork(nullptr, nullptr, [] { the_pool = new Pool; });
  });
  return *the_pool;
}

void Pool::work(int id) {
  long seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    start_.wait(lock, [&] { return round_ != seen; });
    seen = round_;
    if (id >= active_) continue;
    const auto* job = job_;
    lock.unlock();
    (*job)(id);
    lock.lock();
    if (--left_ == 0) done_.notify_one();
  }
}

void Pool::run(int threads, const std::function<void(int)>& job) {
  if (threads > 1) {
    std::lock_guard<std::mutex> lock(mutex_);
    while (static_cast<int>(threads_.size()) < threads - 1) {
      const int id = static_cast<int>(threads_.size()) + 1;
      threads_.emplace_back([this, id] { work(id); });
      threads_.back().detach();
    }
    job_ = &job;
    active_ = threads;
    left_ = threads - 1;
    ++round_;
    start_.notify_all();
  }
  job(0);
  if (threads > 1) {
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return left_ == 0; });
  }
}

float* Pool::scratch(int thread, size_t floats) {
  if (static_cast<int>(buffers_.size()) <= thread) buffers_.resize(thread + 1);
  Buffer& buffer = buffers_[thread];
  if (buffer.floats < floats) {
    std::free(buffer.memory);
    buffer = {};
    const size_t bytes = (floats * sizeof(float) + 63) / 64 * 64;
    buffer.memory = std::aligned_alloc(64, bytes);
    if (buffer.memory == nullptr) throw std::bad_alloc();
    buffer.floats = floats;
  }
  return static_cast<float*>(buffer.memory);
}

}  // namespace nextframe
