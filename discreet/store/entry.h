// Entry: one record of the ledger. The ledger is a list of entries that only grows; everything else
// (docs/ledger.md) is computed from them.
//
// Each entry's hash covers the entry and the hash before it (Haber and Stornetta 1991), so an entry that is
// edited, inserted or removed anywhere but at the end does not fit what follows. Entries removed at the end,
// or a whole older copy put back, show where a later head() is known: a counter is kept apart (counter.h),
// and every certificate carries one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace discreet {

struct Entry {
  int64_t number = 0;   // 1, 2, 3, ...
  std::string time;     // UTC, "2026-01-31T23:59:59Z"
  std::string kind;     // one of kEntryKinds
  std::string subject;  // id of the data set or run; of the ledger itself in the first entry
  int64_t amount = 0;   // steps, where the kind has steps
  std::string body;     // JSON text; sealed bytes in a "sketch"
  std::string hash;     // 64 hexadecimal digits
};

inline constexpr std::string_view kEntryKinds[] = {
    "ledger",   // the first entry
    "dataset",  // {"name"}: a data set that was not known
    "name",     // {"name"}: another label of a data set
    "sketch",   // how the data set is recognised
    "merge",    // {"dataset"}: the subject took over this data set, because one data set held records of both
    "cap",      // {"epsilon","delta","relation","unit","filter","set_after_runs","raised_after_runs"}
    "reserve",  // {"dataset","name","epsilon","delta","relation","unit","closes_cap"}
    "statistics",  // {"event"}: one attempt at the private statistics
    "training",    // {"event","epsilon","delta"}, amount: planned steps
    "steps",       // amount: steps charged so far
    "settle",      // {"epsilon","delta","certificate"}
    "give-up",
    "restored",  // {"entries","head"}: the owner accepted that an older copy was put back
};

// How far a ledger goes: so many entries, and the hash of the last of them.
struct Extent {
  int64_t entries = 0;
  std::string head;  // "" without entries
  bool operator==(const Extent&) const = default;
};

// Hash of `entry` behind the entry whose hash is `previous` ("" for the first).
std::string chain_hash(const Entry& entry, std::string_view previous);

}  // namespace discreet
