#include "discreet/base/interrupt.h"

#include <csignal>
#include <cstdlib>

namespace discreet {
namespace {

volatile std::sig_atomic_t flag = 0;
bool guarded = false;
struct sigaction former_int, former_term;

void on_signal(int signal) {
  if (signal == SIGINT && flag != 0) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
    return;
  }
  flag = 1;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  if (guarded) std::abort();  // programmer error: two guards at a time
  guarded = true;
  flag = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, &former_int);
  sigaction(SIGTERM, &action, &former_term);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &former_int, nullptr);
  sigaction(SIGTERM, &former_term, nullptr);
  flag = 0;
  guarded = false;
}

bool interrupted() {
  return flag != 0;
}

}  // namespace discreet
