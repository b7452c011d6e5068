// The other processes of a run on this machine, where each step's work is shared (dp/processes.h): started by
// this one, which is process 0, connected to it, and ended with it whatever way it ends.
//
// A worker is this program again (`discreet-torch work`, worker.h). It is told where the run's folder is and
// how to meet the others, and opens the data itself; it holds no ledger and writes nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "discreet/dp/process_group.h"
#include "discreet/train/run_folder.h"

namespace discreet {

class Workers {
 public:
  // Before anything is charged: kUnsupported where this build cannot connect processes.
  static void require();

  // Starts processes 1 to size - 1 of the run, and waits until all are connected. Each gets an equal share of
  // this process' threads, which keeps the rest while this object lives. kUnavailable where they cannot be
  // started or one ends, kInterrupted after a signal to this process.
  Workers(const RunFolder& folder, int64_t size);
  ~Workers();  // ends those that still run: they keep nothing
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  const std::shared_ptr<Processes>& processes() const { return processes_; }

  // The worker that ended for a reason of its own, in words; empty where none did. One that ended with the
  // code of having lost the others is not named.
  std::string lost();

 private:
  struct Worker {
    pid_t pid = 0;    // 0: none, or it has ended
    int output = -1;  // what it prints, read after its end
    std::string end = {};
    bool lost_others = false;
  };
  void start(const RunFolder& folder, int64_t size, const Rendezvous& rendezvous);
  std::string ended(bool by_itself);
  void look(Worker& worker, int64_t rank);
  void end_all();

  int threads_;  // of this process, without workers
  std::vector<Worker> workers_;
  std::shared_ptr<Processes> processes_;
};

}  // namespace discreet
