// Processes of their own, over loopback: this program starts itself again with RANK and the rest in the
// environment, and the test ProcessGroupMember.Runs plays the part that it finds there.
#include "discreet/dp/process_group.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "discreet/base/file.h"
#include "discreet/dp/engine_testing.h"
#include "discreet/store/ledger.h"

namespace discreet {
namespace {

using testing::HasSubstr;

constexpr int64_t kRows = 40, kSteps = 6, kLastGoodStep = 3;

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value ? value : "";
}

// Each unit in every draw, and hardly any noise: the release shows the clipped sum.
PrivacyOptions options_of_all() {
  PrivacyOptions options = usual();
  options.batch_size = options.sample_size = kRows;
  options.noise_multiplier = 1e-7;
  options.placement = Placement::kWholeOnEach;
  return options;
}

struct Member {
  Member() : data(kRows) {
    torch::manual_seed(3);
    net = std::make_shared<Net>();
    optimizer.emplace(net->parameters(), 0.1);
  }
  // before(step): as the step's batch is there.
  void train(const PrivacyOptions& options, const std::function<void(int64_t step)>& before = {}) {
    engine.emplace(net, options);
    engine->attach(*optimizer);
    for (const auto& batch : engine->loader(data, kSteps)) {
      if (before) before(engine->steps() + 1);
      torch::cross_entropy_loss(engine->watch(net->forward(batch.data)), batch.target).backward();
      optimizer->step();
      ++released;
    }
  }
  std::string weights() const {
    std::string bytes;
    for (const at::Tensor& p : net->parameters())
      bytes.append(static_cast<const char*>(p.data_ptr()), p.nbytes());
    return bytes;
  }
  Points data;
  std::shared_ptr<Net> net;
  std::optional<torch::optim::SGD> optimizer;
  std::optional<PrivacyEngine> engine;
  int64_t released = 0;
};

// What one started process does; it leaves files NAME.RANK in the folder.
TEST(ProcessGroupMember, DISABLED_Runs) {
  const std::string part = variable("DISCREET_TEST_PART");
  ASSERT_FALSE(part.empty());
  const std::filesystem::path folder = variable("DISCREET_TEST_FOLDER");
  Rendezvous rendezvous = Rendezvous::from_environment();
  const int64_t rank = rendezvous.rank, last = rendezvous.size - 1;
  const auto write = [&](const std::string& name, const std::string& text) {
    write_file(folder / (name + "." + std::to_string(rank)), text, 0600);
  };
  rendezvous.timeout = std::chrono::seconds(part == "worker hangs" ? 4 : 60);
  Member member;
  const std::string told = message_of([&] {
    PrivacyOptions options = options_of_all();
    options.processes = connect_processes(rendezvous);
    if (part == "broken pipe") {
      int ends[2];
      ASSERT_EQ(::pipe(ends), 0);
      ::close(ends[0]);
      write("written", std::to_string(::write(ends[1], "x", 1)));
    }
    if (part == "disagree" && rank == last) options.noise_multiplier = 2;
    if (part == "worker killed") {
      options.noise_multiplier = 1;
      options.ledger = (folder / "ledger.db").string();
      options.ledger_dataset = "points";
      options.ledger_steps = kSteps;
    }
    // Charged, and then gone before anything is released.
    if (part == "first killed")
      options.charge = [&](int64_t step) {
        write("charged", std::to_string(step));
        if (step == kLastGoodStep + 1) ::raise(SIGKILL);
      };
    member.train(options, [&](int64_t step) {
      if (step != kLastGoodStep + 1) return;
      write("before", member.weights());
      if (part == "worker killed" && rank == last) ::raise(SIGKILL);
      if (part == "worker hangs" && rank == last) ::raise(SIGSTOP);
    });
  });
  write("weights", member.weights());
  write("released", std::to_string(member.released));
  write("told", told);
}

class ProcessGroup : public testing::Test {
 protected:
  void SetUp() override {
    if (message_of([] { connect_processes({.rank = 1, .size = 1}); }).find("Gloo's headers") !=
        std::string::npos)
      GTEST_SKIP() << "no Gloo in this build";
    folder_ =
        std::filesystem::temp_directory_path() / ("discreet_process_group_" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override {
    for (const pid_t pid : started_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    for (const int lock : locks_) ::close(lock);
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  void start(const std::string& part, int64_t size) {
    const std::string port = std::to_string(free_port());
    for (int64_t rank = 0; rank < size; ++rank) {
      std::vector<std::string> environment = {"DISCREET_TEST_PART=" + part,
                                              "DISCREET_TEST_FOLDER=" + folder_.string(),
                                              "RANK=" + std::to_string(rank),
                                              "WORLD_SIZE=" + std::to_string(size),
                                              "MASTER_ADDR=127.0.0.1",
                                              "MASTER_PORT=" + port,
                                              "OMP_NUM_THREADS=1",
                                              "OMP_WAIT_POLICY=passive"};
      std::vector<std::string> words = {"dp_test", "--gtest_filter=ProcessGroupMember.*",
                                        "--gtest_also_run_disabled_tests"};
      std::vector<char*> variables, arguments;
      for (std::string& each : environment) variables.push_back(each.data());
      for (char** inherited = environ; *inherited; ++inherited) variables.push_back(*inherited);
      for (std::string& each : words) arguments.push_back(each.data());
      variables.push_back(nullptr);
      arguments.push_back(nullptr);
      posix_spawn_file_actions_t quiet;
      posix_spawn_file_actions_init(&quiet);
      posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
      pid_t pid = 0;
      ASSERT_EQ(::posix_spawn(&pid, "/proc/self/exe", &quiet, nullptr, arguments.data(), variables.data()),
                0);
      posix_spawn_file_actions_destroy(&quiet);
      started_.push_back(pid);
    }
  }

  // Starts `size` processes and waits for all but those that stand still. None may die of anything but the
  // SIGKILL that its part tells it.
  void run(const std::string& part, int64_t size) {
    start(part, size);
    std::vector<pid_t> still;
    for (const pid_t pid : started_) {
      int status = 0;
      ASSERT_EQ(::waitpid(pid, &status, WUNTRACED), pid);
      if (WIFSTOPPED(status)) still.push_back(pid);
      EXPECT_TRUE(!WIFSIGNALED(status) || WTERMSIG(status) == SIGKILL) << strsignal(WTERMSIG(status));
    }
    started_ = still;
  }

  // Outside the range from which the kernel gives ports to whoever asks for any. Other runs of this program
  // keep off it while a socket of that name, which is in no folder, is held.
  uint16_t free_port() {
    for (uint16_t port = 20000 + ::getpid() % 10000;; ++port) {
      sockaddr_un name = {};
      name.sun_family = AF_UNIX;
      const std::string text = "discreet test port " + std::to_string(port);
      std::copy(text.begin(), text.end(), name.sun_path + 1);
      const int lock = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      locks_.push_back(lock);
      if (::bind(lock, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) continue;
      const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address = {};
      address.sin_family = AF_INET;
      address.sin_port = htons(port);
      const bool free = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
      ::close(socket);
      if (free) return port;
    }
  }

  std::string read(const std::string& name, int64_t rank) {
    const auto path = folder_ / (name + "." + std::to_string(rank));
    return std::filesystem::exists(path) ? read_file(path) : "no file";
  }

  std::filesystem::path folder_;
  std::vector<pid_t> started_;
  std::vector<int> locks_;
};

at::Tensor numbers(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::copy_n(bytes.data(), bytes.size(), reinterpret_cast<char*>(values.data()));
  return torch::tensor(values);
}

// After several steps the models are equal bit for bit, and that of one process but for rounding.
TEST_F(ProcessGroup, TrainsTheModelThatOneProcessTrains) {
  Member alone;
  alone.train(options_of_all());
  for (const int64_t size : {1, 2, 4}) {
    run("train", size);
    for (int64_t rank = 0; rank < size; ++rank) {
      EXPECT_EQ(read("told", rank), "no Error");
      EXPECT_TRUE(read("weights", rank) == read("weights", 0));
    }
    const at::Tensor there = numbers(read("weights", 0)), here = numbers(alone.weights());
    ASSERT_TRUE(there.sizes().equals(here.sizes()));
    EXPECT_LT((there - here).norm().item<double>(), 1e-5);
  }
}

TEST_F(ProcessGroup, DisagreementIsToldByAll) {
  run("disagree", 2);
  for (const int64_t rank : {0, 1})
    EXPECT_THAT(read("told", rank), HasSubstr("disagree about noise_multiplier:"));
}

// Gloo may still write to a process that is gone: an error, which is told, and no signal that ends this one.
TEST_F(ProcessGroup, AWriteToNobodyIsNoDeath) {
  run("broken pipe", 1);
  EXPECT_EQ(read("written", 0), "-1");
  EXPECT_EQ(read("told", 0), "no Error");
}

// The last of three dies in step 4, before it has given its part of the sum.
TEST_F(ProcessGroup, AKilledWorkerStopsTheRunBeforeTheCharge) {
  run("worker killed", 3);
  for (const int64_t rank : {0, 1}) {
    EXPECT_THAT(read("told", rank), HasSubstr("lost another one"));
    EXPECT_EQ(read("released", rank), std::to_string(kLastGoodStep));
    EXPECT_TRUE(read("weights", rank) == read("before", rank));
  }
  EXPECT_EQ(read("told", 2), "no file");
  const auto history = Ledger::open((folder_ / "ledger.db").string()).datasets();
  ASSERT_EQ(history.size(), 1);
  ASSERT_EQ(history[0].runs.size(), 1);
  EXPECT_EQ(history[0].runs[0].charged_steps, kLastGoodStep);
  EXPECT_EQ(history[0].runs[0].status, "reserved");
}

// Process 0 dies between its charge and its release: charged, and nowhere released.
TEST_F(ProcessGroup, AKilledProcessZeroHasChargedWhatWasReleased) {
  run("first killed", 3);
  EXPECT_EQ(read("charged", 0), std::to_string(kLastGoodStep + 1));
  EXPECT_EQ(read("told", 0), "no file");
  for (const int64_t rank : {1, 2}) {
    EXPECT_THAT(read("told", rank), HasSubstr("lost another one"));
    EXPECT_EQ(read("released", rank), std::to_string(kLastGoodStep));
    EXPECT_TRUE(read("weights", rank) == read("before", rank));
  }
}

TEST_F(ProcessGroup, OneThatHangsIsGivenUpAfterTheTimeout) {
  run("worker hangs", 2);
  EXPECT_THAT(read("told", 0), HasSubstr("lost another one"));
  EXPECT_EQ(read("weights", 0), read("before", 0));
}

TEST(Rendezvous, ReadsTheEnvironment) {
  const auto said = [](const std::map<std::string, std::string>& variables) {
    for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}) ::unsetenv(name);
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
    return message_of([] {
      const Rendezvous rendezvous = Rendezvous::from_environment();
      EXPECT_EQ(rendezvous.rank, 1);
      EXPECT_EQ(rendezvous.size, 4);
      EXPECT_EQ(rendezvous.host, "host0");
      EXPECT_EQ(rendezvous.port, 29500);
    });
  };
  std::map<std::string, std::string> good = {
      {"RANK", "1"}, {"WORLD_SIZE", "4"}, {"MASTER_ADDR", "host0"}, {"MASTER_PORT", "29500"}};
  EXPECT_EQ(said(good), "no Error");
  for (const auto& [name, bad] :
       std::vector<std::pair<std::string, std::vector<std::string>>>{{"RANK", {"", "-1", "4", "1x"}},
                                                                     {"WORLD_SIZE", {"0", "two", "1025"}},
                                                                     {"MASTER_PORT", {"0", "65536"}},
                                                                     {"MASTER_ADDR", {""}}})
    for (const std::string& value : bad) {
      auto changed = good;
      changed[name] = value;
      EXPECT_THAT(said(changed), HasSubstr("environment variable " + name)) << value;
      changed.erase(name);
      EXPECT_THAT(said(changed), HasSubstr("environment variable " + name));
    }
  // torchrun listens there itself.
  good["MASTER_PORT"] = "29499";
  ::setenv("TORCHELASTIC_USE_AGENT_STORE", "True", 1);
  EXPECT_EQ(said(good), "no Error");
  ::unsetenv("TORCHELASTIC_USE_AGENT_STORE");
  said({});
}

}  // namespace
}  // namespace discreet
