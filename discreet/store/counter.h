// LedgerCounter: how far this user on this machine has seen a ledger go, kept apart from it, so that an older
// copy that is put back is noticed. One small file a ledger in user_state_folder(), named by the ledger's id
// and not by its place: a copy elsewhere is the same ledger.
//
// Order: a transaction commits, then the counter moves. Whoever dies in between leaves a counter that is
// behind, which is no alarm and hides at most that one transaction of each process that died. A ledger that
// is behind its counter, or has another entry at its number, was set back or is a copy that went its own way.
//
// It only ever moves forward, whichever of several processes comes last; each user of a shared ledger has
// one. It cannot notice anything on its first look (another machine, a new home), nor what was put back
// together with it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "discreet/store/entry.h"

namespace discreet {

class LedgerCounter {
 public:
  explicit LedgerCounter(const std::string& ledger_id);

  // Empty where nothing was seen yet. kDataLoss for a file that is no counter.
  std::optional<Extent> read();
  // To `extent`, unless it is there or further already; from one of `abandoned`, which the owner gave up for
  // an older copy, also backwards. Durable when it returns.
  void advance(const Extent& extent, const std::vector<Extent>& abandoned);

  // Why an older copy of the ledger would not be noticed here, "" if it would be: a folder that cannot be
  // read or written does not keep anyone from working, since what is charged does not depend on it.
  const std::string& trouble() const { return trouble_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  template <typename Work>
  void attempt(Work&& work);
  std::filesystem::path path_;
  std::string ledger_, trouble_;
};

}  // namespace discreet
