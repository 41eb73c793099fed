// Threads for the engine's jobs: PyTorch's own where they can be had, else threads that sleep between jobs. Two pools
// that spin would fight for the cores; and a thread that has just worked for PyTorch is awake, where one of ours would
// have to be woken.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace nextframe {

class Pool {
 public:
  // The process' pool. A forked child has none of its parent's threads, and gets a pool of its own; GNU OpenMP would
  // wait there for threads that are gone, so that the child's pool does without it.
  static Pool& instance();

  // `openmp`: whether to use the GNU OpenMP runtime that the process has loaded, if it has.
  explicit Pool(bool openmp);

  // Run job(0) .. job(threads - 1) at once and wait for all; job(0) runs on the caller's thread. Subnormal numbers
  // count as zero.
  void run(int threads, const std::function<void(int)>& job);

  // Whether subnormal numbers count as zero on the caller's thread and on those that share its work, from now on.
  void set_subnormals(int threads, bool zero);

  // Memory for a thread's intermediate results, kept between jobs.
  float* scratch(int thread, size_t floats);

  std::mutex& lock() { return caller_; }

 private:
  void spread(int threads, const std::function<void(int)>& job);
  void work(int id);
  bool run_on_openmp(int threads, const std::function<void(int)>& job) const;

  // The runtime's entry points; null without it.
  void (*parallel_)(void (*)(void*), void*, unsigned, unsigned) = nullptr;
  int (*thread_number_)() = nullptr;
  int (*team_size_)() = nullptr;
  int (*inside_)() = nullptr;

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
