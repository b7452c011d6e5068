// The folder of an unfinished run, PACKAGE.run beside the package to be: what --resume needs, and nothing
// else.
//
//   run.json        the job, the ledger's run id, the secret key of the hold-out split
//   model/NAME      the architecture file, where the job names one: as it was when the run began
//   facts.json      the private statistics, stored before they are used
//   checkpoint.pt   weights, optimizer, averages and counters after some step
//
// It is the owner's: mode 0700, files 0600. It is removed once the package is written and the ledger settled.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "discreet/base/json.h"
#include "discreet/job/job.h"

namespace discreet {

class RunFolder {
 public:
  // A new run. Refuses an existing package or an unfinished run of that name (kAlreadyExists), a folder that
  // cannot be written (kPermissionDenied) and a full disk (kUnavailable), all before anything is charged.
  static RunFolder create(const TrainJob& job);

  // An unfinished run. kNotFound says what is there instead (nothing, or the finished package).
  static RunFolder open(const std::filesystem::path& package);

  // The same run while another process has it: to read, not to write.
  static RunFolder look_into(const std::filesystem::path& package);

  const TrainJob& job() const { return job_; }
  const std::filesystem::path& path() const { return path_; }

  // 32 secret bytes, as hex, that decide who is held out: the same on every resume.
  const std::string& split_key() const { return split_key_; }

  // The ledger's name for this run: chosen here, so that a crash while the budget is being reserved leaves no
  // reservation that nobody knows of.
  const std::string& run_id() const { return run_id_; }

  // A keyed digest of the records, by which a resumed run notices that they changed; empty until it is taken,
  // before the budget is reserved.
  const std::string& digest() const { return digest_; }
  void store_digest(const std::string& digest);

  std::optional<Json> facts() const;
  void store_facts(const Json& facts);

  std::optional<std::string> checkpoint() const;
  void store_checkpoint(const std::string& bytes);

  void remove();

 private:
  RunFolder(std::filesystem::path path, TrainJob job) : path_(std::move(path)), job_(std::move(job)) {}
  void store_run() const;
  void keep_model();
  void read_run();
  void lock();  // held until this object ends: one process a run

  std::filesystem::path path_;
  TrainJob job_;
  std::string split_key_, run_id_, digest_;
  std::shared_ptr<void> lock_;
};

// "go on with ...": what to do when a run stops before its end.
std::string resume_advice(const TrainJob& job);

// Where an unfinished run of this package lives.
std::filesystem::path run_folder_of(const std::filesystem::path& package);
// Where its owner's page will be: NAME.owner.html for NAME.discreet.
std::filesystem::path owner_page_of(const std::filesystem::path& package);

}  // namespace discreet
