#include "discreet/dp/process_group.h"

#include <signal.h>
#include <torch/version.h>

#include <charconv>
#include <cstdlib>

// Debian's libtorch: the wheel ships no headers of its Gloo, and others do not fit it.
#if TORCH_VERSION_MAJOR < 2 && __has_include(<gloo/transport/device.h>)
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

#include "discreet/base/error.h"

namespace discreet {
namespace {

class GroupProcesses : public Connection {
 public:
  explicit GroupProcesses(c10::intrusive_ptr<c10d::ProcessGroup> group) : group_(std::move(group)) {
    check_size();
  }

  int64_t rank() const override { return group_->getRank(); }
  int64_t size() const override { return group_->getSize(); }

 protected:
  void exchange_sum(const at::Tensor& values) override {
    std::vector<at::Tensor> list = {values};
    group_->allreduce(list)->wait();
  }

  void exchange_bytes(const at::Tensor& bytes, int64_t from) override {
    std::vector<at::Tensor> list = {bytes};
    c10d::BroadcastOptions options;
    options.rootRank = from;
    group_->broadcast(list, options)->wait();
  }

 private:
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
};

int64_t environment_number(const char* name, int64_t least, int64_t most) {
  const char* text = std::getenv(name);
  const std::string_view words = text ? text : "";
  int64_t value = 0;
  const auto [end, code] = std::from_chars(words.data(), words.data() + words.size(), value);
  if (code != std::errc() || end != words.data() + words.size() || value < least || value > most)
    throw Error(ErrorKind::kInvalidArgument,
                std::string("environment variable ") + name + " must be a whole number from " +
                    std::to_string(least) + " to " + std::to_string(most) +
                    (text ? "" : "; it is not set (torchrun and Kubernetes set it)"));
  return value;
}

}  // namespace

Rendezvous Rendezvous::from_environment() {
  Rendezvous rendezvous;
  rendezvous.size = environment_number("WORLD_SIZE", 1, Processes::kMost);
  rendezvous.rank = environment_number("RANK", 0, rendezvous.size - 1);
  const auto text = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  rendezvous.host = text("MASTER_ADDR");
  if (rendezvous.host.empty())
    throw Error(ErrorKind::kInvalidArgument,
                "environment variable MASTER_ADDR must be the host name or address of process 0");
  const int64_t taken = text("TORCHELASTIC_USE_AGENT_STORE") == "True" ? 1 : 0;
  rendezvous.port = static_cast<uint16_t>(environment_number("MASTER_PORT", 1, 65535 - taken) + taken);
  rendezvous.attempt = text("TORCHELASTIC_RESTART_COUNT");
  rendezvous.interface = text("GLOO_SOCKET_IFNAME");
  return rendezvous;
}

std::shared_ptr<Processes> processes_of(c10::intrusive_ptr<c10d::ProcessGroup> group) {
  return std::make_shared<GroupProcesses>(std::move(group));
}

#ifdef USE_C10D_GLOO
std::shared_ptr<Processes> connect_processes(const Rendezvous& rendezvous) {
  using c10d::ProcessGroupGloo;
  if (rendezvous.size < 1 || rendezvous.size > Processes::kMost || rendezvous.rank < 0 ||
      rendezvous.rank >= rendezvous.size)
    throw Error(ErrorKind::kInvalidArgument, "the number of processes must lie between 1 and " +
                                                 std::to_string(Processes::kMost) +
                                                 ", and a process' rank between 0 and one less");
  struct sigaction on_broken_pipe = {};
  if (::sigaction(SIGPIPE, nullptr, &on_broken_pipe) == 0 && on_broken_pipe.sa_handler == SIG_DFL)
    ::signal(SIGPIPE, SIG_IGN);  // Gloo writes by writev: a lost process would end this one without a word
  try {
    c10d::TCPStoreOptions at;
    at.port = rendezvous.port;
    at.isServer = rendezvous.rank == 0;
    at.waitWorkers = false;
    at.timeout = rendezvous.timeout;
    c10::intrusive_ptr<c10d::Store> store = c10::make_intrusive<c10d::TCPStore>(rendezvous.host, at);
    store = c10::make_intrusive<c10d::PrefixStore>("discreet" + rendezvous.attempt, store);
    auto options = ProcessGroupGloo::Options::create(rendezvous.timeout);
    options->threads = 1;
    const bool loopback = rendezvous.host == "localhost" || rendezvous.host.starts_with("127.");
    options->devices = {!rendezvous.interface.empty()
                            ? ProcessGroupGloo::createDeviceForInterface(rendezvous.interface)
                        : loopback ? ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                   : ProcessGroupGloo::createDefaultDevice()};
    return processes_of(c10::make_intrusive<ProcessGroupGloo>(store, static_cast<int>(rendezvous.rank),
                                                              static_cast<int>(rendezvous.size), options));
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kUnavailable, "process " + std::to_string(rendezvous.rank) + " of " +
                                             std::to_string(rendezvous.size) + " found no others at " +
                                             rendezvous.host + ":" + std::to_string(rendezvous.port) + " (" +
                                             Connection::reason(error) + ")");
  }
}
#else
std::shared_ptr<Processes> connect_processes(const Rendezvous&) {
  throw Error(ErrorKind::kUnsupported,
              "this build of libtorch comes without Gloo's headers: build with Debian's libtorch-dev and "
              "libgloo-dev, or give a group that torch.distributed made (processes_of)");
}
#endif

}  // namespace discreet
