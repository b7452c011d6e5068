#include "discreet/train/workers.h"

#include <ATen/Parallel.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <map>
#include <thread>

#include "discreet/base/error.h"
#include "discreet/base/interrupt.h"
#include "discreet/base/random.h"

namespace discreet {
namespace {

using namespace std::chrono_literals;

constexpr char kHost[] = "127.0.0.1";

// One that is free now.
uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const bool bound = descriptor >= 0 &&
                     ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                     ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  if (descriptor >= 0) ::close(descriptor);
  if (!bound) throw Error(ErrorKind::kUnavailable, "--processes: no port is free on this machine");
  return ntohs(address.sin_port);
}

Rendezvous rendezvous_of(int64_t size) {
  Rendezvous rendezvous{.rank = 0, .size = size, .host = kHost, .port = free_port()};
  RandomStream random =
      RandomStream::from_kernel();  // strangers at the port do not know the name of the meeting
  rendezvous.attempt = std::to_string(random.next()) + "-" + std::to_string(random.next());
  return rendezvous;
}

// This process' environment, with what a worker has of its own.
std::vector<std::string> environment_with(std::map<std::string, std::string> own) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!own.contains(text.substr(0, text.find('=')))) result.push_back(text);
  }
  for (const auto& [name, value] : own) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// The program's own error line in what it printed; empty where there is none.
std::string error_line(int output) {
  std::string text;
  char block[4096];
  ::lseek(output, 0, SEEK_SET);
  for (ssize_t got; (got = ::read(output, block, sizeof block)) > 0;) text.append(block, got);
  const std::string mark = "discreet: ";
  const size_t begin = text.rfind(mark);
  if (begin == std::string::npos) return "";
  return text.substr(begin + mark.size(), text.find('\n', begin) - begin - mark.size());
}

}  // namespace

void Workers::require() {
  connect_processes(rendezvous_of(1));
}

Workers::Workers(const RunFolder& folder, int64_t size) : threads_(at::get_num_threads()) {
  const Rendezvous rendezvous = rendezvous_of(size);
  try {
    start(folder, size, rendezvous);
    // In a thread, so that this one notices a worker that ends before it is there, and Ctrl-C.
    std::packaged_task<std::shared_ptr<Processes>()> task([=] { return connect_processes(rendezvous); });
    std::future<std::shared_ptr<Processes>> connected = task.get_future();
    std::thread(std::move(task)).detach();
    while (connected.wait_for(20ms) != std::future_status::ready) {
      if (interrupted())
        throw Error(ErrorKind::kInterrupted,
                    "stopped while " + std::to_string(size) +
                        " processes were started; nothing is lost: " + resume_advice(folder.job()));
      if (const std::string words = ended(false); !words.empty())
        throw Error(ErrorKind::kUnavailable, words + "; " + resume_advice(folder.job()));
    }
    processes_ = connected.get();
  } catch (...) {
    end_all();
    throw;
  }
}

Workers::~Workers() {
  end_all();
}

void Workers::start(const RunFolder& folder, int64_t size, const Rendezvous& rendezvous) {
  const int threads = std::max(1, threads_ / static_cast<int>(size));
  at::set_num_threads(threads);
  for (int64_t rank = 1; rank < size; ++rank) {
    std::vector<std::string> words = {"discreet-torch", "work", folder.job().out.string(),
                                      std::to_string(::getpid())};
    std::vector<std::string> environment =
        environment_with({{"MASTER_ADDR", rendezvous.host},
                          {"MASTER_PORT", std::to_string(rendezvous.port)},
                          {"RANK", std::to_string(rank)},
                          {"WORLD_SIZE", std::to_string(size)},
                          {"TORCHELASTIC_RESTART_COUNT", rendezvous.attempt},
                          {"TORCHELASTIC_USE_AGENT_STORE", ""},
                          {"GLOO_SOCKET_IFNAME", ""},
                          {"OMP_NUM_THREADS", std::to_string(threads)}});
    Worker& worker = workers_.emplace_back();
    worker.output = ::memfd_create("discreet-worker", MFD_CLOEXEC);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, worker.output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, worker.output, STDERR_FILENO);
    const int failure = ::posix_spawn(&worker.pid, "/proc/self/exe", &files, nullptr,
                                      pointers_to(words).data(), pointers_to(environment).data());
    posix_spawn_file_actions_destroy(&files);
    if (failure != 0) {
      worker.pid = 0;
      throw Error(ErrorKind::kUnavailable, "process " + std::to_string(rank) + " of " + std::to_string(size) +
                                               " cannot be started: " + std::strerror(failure));
    }
  }
}

void Workers::look(Worker& worker, int64_t rank) {
  int status = 0;
  if (worker.pid == 0 || ::waitpid(worker.pid, &status, WNOHANG) != worker.pid) return;
  worker.pid = 0;
  const std::string name =
      "process " + std::to_string(rank) + " of " + std::to_string(workers_.size() + 1) + " (counted from 0)";
  if (WIFSIGNALED(status)) {
    worker.end = name + " was ended by signal " + std::to_string(WTERMSIG(status));
  } else {
    worker.lost_others = WEXITSTATUS(status) == exit_code(ErrorKind::kUnavailable);
    const std::string reason = error_line(worker.output);
    worker.end = name + " ended with code " + std::to_string(WEXITSTATUS(status)) +
                 (reason.empty() ? "" : " (" + reason + ")");
  }
}

std::string Workers::ended(bool by_itself) {
  for (size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = workers_[i];
    look(worker, static_cast<int64_t>(i) + 1);
    if (!worker.end.empty() && !(by_itself && worker.lost_others)) return worker.end;
  }
  return "";
}

std::string Workers::lost() {
  // The kernel tells the others of an end before it tells the parent.
  for (int look = 0; look < 50; ++look, std::this_thread::sleep_for(20ms))
    if (const std::string words = ended(true); !words.empty()) return words;
  return "";
}

void Workers::end_all() {
  for (Worker& worker : workers_) {
    if (worker.pid != 0) {
      ::kill(worker.pid, SIGKILL);
      ::waitpid(worker.pid, nullptr, 0);
    }
    if (worker.output >= 0) ::close(worker.output);
  }
  workers_.clear();
  at::set_num_threads(threads_);
}

}  // namespace discreet
