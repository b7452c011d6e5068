// Processes over a process group of torch.distributed (c10d), started the way torchrun, Slurm and Kubernetes
// start them: MASTER_ADDR, MASTER_PORT, RANK and WORLD_SIZE.
//
// Process 0 listens at MASTER_PORT on all its addresses and tells the others where each is; sums and releases
// go over further ports that the kernel chooses. torchrun listens at MASTER_PORT itself
// (TORCHELASTIC_USE_AGENT_STORE), and its store is understood by its own version only: process 0 then takes
// the next port. A process listens for sums at the address of its machine's name; where that is a loopback
// address, as in Debian's /etc/hosts, processes on several machines need GLOO_SOCKET_IFNAME. Nothing is
// authenticated or encrypted: for a trusted network (processes.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "discreet/dp/processes.h"

namespace discreet {

struct Rendezvous {
  int64_t rank = 0, size = 1;
  std::string host = {};  // of process 0
  uint16_t port = 0;
  std::string attempt = {};    // the same on all; processes of different attempts do not meet
  std::string interface = {};  // of the network; "": that of the machine's name, or loopback

  // How long a process waits for the others: at the start, and at each step. A process that ends is noticed
  // at once; this is for one that hangs, and more than any of them may take between two steps.
  std::chrono::milliseconds timeout{std::chrono::minutes(10)};

  // From MASTER_ADDR, MASTER_PORT, RANK, WORLD_SIZE; GLOO_SOCKET_IFNAME and what torchrun sets.
  // kInvalidArgument where one of the first four is missing or out of range.
  static Rendezvous from_environment();
};

// Waits until all have come. kUnavailable where they do not in time; kUnsupported in a build without Gloo's
// headers (Debian's libgloo-dev; PyPI's wheel ships none, there the group comes from Python). From here on
// the process ignores SIGPIPE where nothing handled it, as Python's do: a lost process is an error, not the
// end.
std::shared_ptr<Processes> connect_processes(const Rendezvous& rendezvous);

// Over a group that exists already. The group's own timeout holds.
std::shared_ptr<Processes> processes_of(c10::intrusive_ptr<c10d::ProcessGroup> group);

}  // namespace discreet
