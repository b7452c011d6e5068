#include "discreet/store/counter.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <sstream>

#include "discreet/base/error.h"
#include "discreet/base/file.h"

namespace discreet {
namespace {

constexpr char kFirstWord[] = "discreet-counter-1";

// Held by one process at a time, as far as the file system has locks; without them the counter may stay
// behind.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder)
      : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ >= 0) (void)::flock(descriptor_, LOCK_EX);
  }
  ~FolderLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace

// A damaged counter is an error; one that cannot be reached is only said.
template <typename Work>
void LedgerCounter::attempt(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kDataLoss) throw;
    trouble_ = error.what();
  }
}

LedgerCounter::LedgerCounter(const std::string& ledger_id) : ledger_(ledger_id) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) != 0; };
  if (ledger_id.empty() || !std::all_of(ledger_id.begin(), ledger_id.end(), plain))
    throw Error(ErrorKind::kDataLoss, "its first entry names no ledger");
  attempt([&] {
    const std::filesystem::path folder = user_state_folder();
    path_ = folder / ("ledger-" + ledger_id);
    if (::access(folder.c_str(), W_OK | X_OK) != 0) throw file_error(errno, "cannot write in", folder);
  });
}

std::optional<Extent> LedgerCounter::read() {
  if (path_.empty()) return std::nullopt;
  std::optional<std::string> text;
  attempt([&] {
    try {
      text = read_file(path_);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kNotFound) throw;
    }
  });
  if (!text) return std::nullopt;
  std::istringstream words(*text);
  std::string first, ledger, rest;
  Extent seen;
  const bool whole = words >> first >> ledger >> seen.entries >> seen.head && !(words >> rest) &&
                     text->ends_with('\n') && first == kFirstWord && ledger == ledger_ && seen.entries > 0 &&
                     seen.head.size() == 64;
  if (!whole) {
    throw Error(ErrorKind::kDataLoss,
                path_.string() +
                    ", which holds how far the ledger had gone, is damaged: compare the ledger "
                    "with your newest package (discreet verify PACKAGE --ledger LEDGER), then "
                    "remove that file");
  }
  return seen;
}

void LedgerCounter::advance(const Extent& extent, const std::vector<Extent>& abandoned) {
  if (path_.empty()) return;
  const auto there = [&] {
    const std::optional<Extent> now = read();
    return now && now->entries >= extent.entries &&
           std::find(abandoned.begin(), abandoned.end(), *now) == abandoned.end();
  };
  attempt([&] {
    if (there()) return;
    const FolderLock lock(path_.parent_path());
    if (there()) return;
    write_file(path_,
               std::string(kFirstWord) + " " + ledger_ + " " + std::to_string(extent.entries) + " " +
                   extent.head + "\n",
               0600);
  });
}

}  // namespace discreet
