// A pool of threads that sleep between jobs, so that they never spin against the thread pool of PyTorch.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace nextframe {

class Pool {
 public:
  // The process' pool. A forked child has none of its parent's threads, and gets a pool of its own.
  static Pool& instance();

  // Run job(0) .. job(threads - 1) at once and wait for all; job(0) runs on the caller's thread.
  void run(int threads, const std::function<void(int)>& job);

  // Memory for a thread's intermediate results, kept between jobs.
  float* scratch(int thread, size_t floats);

  std::mutex& lock() { return caller_; }

 private:
  void work(int id);

  std::mutex caller_;  // one job at a time
  std::mutex mutex_;
  std::condition_variable start_, done_;
  std::vector<std::thread> threads_;
  const std::function<void(int)>* job_ = nullptr;
  long round_ = 0;
  int active_ = 0, left_ = 0;
  struct Buffer {
    void* memory = nullptr;
    size_t floats = 0;
  };
  std::vector<Buffer> buffers_;
};

}  // namespace nextframe
