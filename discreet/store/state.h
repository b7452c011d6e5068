// LedgerState: the data sets and runs that a list of entries describes. Pure: no file, no clock.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "discreet/store/entry.h"
#include "discreet/store/record.h"

namespace discreet {

class LedgerState {
 public:
  // Checks the entry's number and hash against the entries before it, then takes it in.
  // kDataLoss if it does not follow; kUnsupported for a kind that this version does not know.
  void apply(const Entry& entry);

  int64_t count() const { return count_; }
  const std::string& head() const { return head_; }  // hash of the last entry, "" without entries
  Extent extent() const { return {count_, head_}; }
  const std::string& id() const { return id_; }  // of the ledger

  struct Dataset {
    DatasetRecord record;               // without its runs
    std::vector<std::string> sketches;  // sealed
    std::string merged_into;            // "" for a data set that stands for itself
  };
  const std::map<std::string, Dataset>& datasets() const { return datasets_; }
  std::vector<std::string> dataset_ids() const;  // of those that stand for themselves, oldest first
  const std::map<std::string, RunRecord>& runs() const { return runs_; }

  // Older copies of the ledger that were put back and accepted. What was charged between is not known: runs
  // that were under way have ended and count in full, caps are closed until they are set anew.
  // What had been seen before each:
  const std::vector<Extent>& restorations() const { return restorations_; }

  // The data set that `id` stands for after merges; kNotFound if there is none.
  std::string resolve(const std::string& id) const;
  // By id or label; kNotFound with the nearest label, kInvalidArgument if a label stands for several.
  std::string find_dataset(const std::string& id_or_label) const;
  // With its runs, oldest first.
  DatasetRecord record(const std::string& id) const;

 private:
  void take_in(const Entry& entry);
  int64_t count_ = 0;
  std::string head_, id_;
  std::map<std::string, Dataset> datasets_;
  std::map<std::string, RunRecord> runs_;
  std::vector<std::string> dataset_order_, run_order_;
  std::vector<Extent> restorations_;
};

}  // namespace discreet
