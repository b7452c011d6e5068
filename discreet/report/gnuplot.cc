// Runs gnuplot as a child: script in memory as its standard input, drawing from a pipe.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "discreet/base/error.h"
#include "discreet/report/plot.h"

namespace discreet {
namespace {

class Descriptor {  // closes on the way out
 public:
  explicit Descriptor(int number) : number_(number) {
    if (number < 0)
      throw Error(ErrorKind::kUnavailable, std::string("cannot start gnuplot: ") + std::strerror(errno));
  }
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

int memory_file(const char* name) {
  return ::memfd_create(name, MFD_CLOEXEC);
}

}  // namespace

std::string run_gnuplot(const std::string& script) {
  Descriptor in(memory_file("gnuplot-script"));
  for (size_t done = 0; done < script.size();) {
    const ssize_t wrote = ::write(in.number(), script.data() + done, script.size() - done);
    if (wrote < 0 && errno != EINTR) throw Error(ErrorKind::kUnavailable, "no memory for a plot");
    if (wrote > 0) done += static_cast<size_t>(wrote);
  }
  ::lseek(in.number(), 0, SEEK_SET);
  Descriptor errors(memory_file("gnuplot-errors"));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) ends[0] = ends[1] = -1;
  Descriptor out(ends[0]), child_out(ends[1]);

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in.number(), 0);
  posix_spawn_file_actions_adddup2(&files, child_out.number(), 1);
  posix_spawn_file_actions_adddup2(&files, errors.number(), 2);
  posix_spawnattr_init(&attributes);
  // Its own process group: Ctrl-C on the terminal reaches us, who finish what was begun, and not the drawing.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  const char* path = std::getenv("PATH");
  std::string environment_path = std::string("PATH=") + (path ? path : "/usr/bin:/bin");
  std::string locale = "LC_ALL=C.UTF-8";
  std::array<char*, 3> environment = {environment_path.data(), locale.data(), nullptr};
  std::string program = "gnuplot", no_start_up_file = "-d";
  std::array<char*, 3> arguments = {program.data(), no_start_up_file.data(), nullptr};
  pid_t child = 0;
  const int failed =
      posix_spawnp(&child, program.c_str(), &files, &attributes, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (failed == ENOENT) {
    throw Error(ErrorKind::kUnavailable, "gnuplot is not installed (Debian: apt-get install gnuplot-nox)");
  }
  if (failed)
    throw Error(ErrorKind::kUnavailable, std::string("cannot start gnuplot: ") + std::strerror(failed));
  child_out.close();

  std::string drawing;
  std::array<char, 1 << 14> block;
  for (;;) {
    const ssize_t got = ::read(out.number(), block.data(), block.size());
    if (got > 0) drawing.append(block.data(), static_cast<size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) break;
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::string complaint(400, '\0');
  const ssize_t length = ::pread(errors.number(), complaint.data(), complaint.size(), 0);
  complaint.resize(length > 0 ? static_cast<size_t>(length) : 0);
  for (char& c : complaint) c = c < ' ' ? ' ' : c;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || drawing.find("</svg>") == std::string::npos) {
    throw Error(ErrorKind::kUnavailable, "gnuplot could not draw a plot: " + complaint);
  }
  return drawing;
}

}  // namespace discreet
