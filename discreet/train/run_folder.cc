#include "discreet/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/base/random.h"
#include "discreet/store/ledger.h"

namespace discreet {
namespace {

namespace fs = std::filesystem;

std::string random_key(RandomStream stream) {
  std::string hex;
  for (int word = 0; word < 4; ++word) {
    uint64_t bits = stream.next();
    for (int digit = 0; digit < 16; ++digit, bits >>= 4) hex += "0123456789abcdef"[bits & 15];
  }
  return hex;
}

Json parse(const fs::path& path) {
  try {
    return Json::parse(read_file(path));
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kDataLoss, path.string() + ": is damaged; the run cannot be resumed");
  }
}

std::optional<std::string> read_if_there(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  return read_file(path);
}

// What a process leaves that died before it wrote run.json: nothing, a temporary file, or the model's copy.
bool holds_nothing(const fs::path& folder) {
  if (!fs::is_directory(folder)) return false;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool is_ours = name.starts_with("run.json.") || (name == "model" && entry.is_directory());
    if (!is_ours) return false;
  }
  return true;
}

}  // namespace

std::string resume_advice(const TrainJob& job) {
  return "go on with `discreet train --resume " + job.out.string() + "`";
}

fs::path run_folder_of(const fs::path& package) {
  return package.string() + ".run";
}

fs::path owner_page_of(const fs::path& package) {
  std::string page = package.string();
  if (page.ends_with(".discreet")) page.resize(page.size() - std::string_view(".discreet").size());
  return page + ".owner.html";
}

RunFolder RunFolder::create(const TrainJob& job) {
  const fs::path path = run_folder_of(job.out);
  require_folder_of(job.out);
  if (fs::exists(job.out)) {
    throw Error(ErrorKind::kAlreadyExists,
                job.out.string() + ": exists already; --out names another package, or move this one away");
  }
  if (const fs::path page = owner_page_of(job.out); fs::exists(page)) {
    throw Error(ErrorKind::kAlreadyExists,
                page.string() + ": exists already, another package's owner's page; move it away");
  }
  const auto refuse_existing = [&] {
    if (!fs::exists(path / "run.json")) {
      throw Error(ErrorKind::kAlreadyExists, path.string() + ": is there, but holds no run; move it away");
    }
    throw Error(ErrorKind::kAlreadyExists,
                path.string() + ": an unfinished run is there; go on with `discreet train --resume " +
                    job.out.string() + "`, or move it away (what it was charged stays charged)");
  };
  if (fs::exists(path) && !holds_nothing(path)) refuse_existing();
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw file_error(errno, "create", path);
  TrainJob absolute = job;  // a run may be resumed from another folder
  absolute.out = fs::absolute(job.out);
  if (fs::exists(job.data)) absolute.data = fs::absolute(job.data).string();
  if (job.ledger) absolute.ledger = fs::absolute(*job.ledger).string();
  RunFolder folder(fs::absolute(path), absolute);
  folder.lock();
  if (!holds_nothing(path)) refuse_existing();  // another process was first
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) fs::remove_all(entry.path());
  folder.run_id_ = Ledger::new_run_id();
  folder.split_key_ = random_key(job.seed_for_tests ? RandomStream::for_tests(*job.seed_for_tests)
                                                    : RandomStream::from_kernel());
  try {
    folder.keep_model();
    folder.store_run();
  } catch (const Error&) {
    std::error_code ignored;
    fs::remove_all(path, ignored);
    throw;
  }
  return folder;
}

RunFolder RunFolder::open(const fs::path& package) {
  const fs::path path = run_folder_of(package);
  if (!fs::exists(path / "run.json")) {
    if (fs::exists(package)) {
      throw Error(ErrorKind::kAlreadyExists, package.string() + ": is finished; there is nothing to resume");
    }
    throw Error(ErrorKind::kNotFound, path.string() + ": there is no unfinished run of this package");
  }
  RunFolder folder(fs::absolute(path), {});
  folder.lock();
  folder.read_run();
  folder.job_.out = fs::absolute(package);
  folder.keep_model();
  return folder;
}

RunFolder RunFolder::look_into(const fs::path& package) {
  RunFolder folder(fs::absolute(run_folder_of(package)), {});
  folder.read_run();
  folder.job_.out = fs::absolute(package);
  folder.keep_model();  // which is there: this names it
  return folder;
}

void RunFolder::read_run() {
  const Json run = parse(path_ / "run.json");
  try {
    job_ = TrainJob::from_json(run.at("job"));
    split_key_ = run.at("split_key").get<std::string>();
    run_id_ = run.at("run_id").get<std::string>();
    digest_ = run.at("digest").get<std::string>();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kDataLoss,
                (path_ / "run.json").string() + ": is damaged; the run cannot be resumed");
  }
}

// The job's architecture file becomes this folder's copy of it, which is made if it is not there yet.
void RunFolder::keep_model() {
  if (!job_.model.ends_with(".json")) return;
  const fs::path copy = path_ / "model" / fs::path(job_.model).filename();
  if (!fs::exists(copy)) {
    if (!fs::exists(job_.model)) return;  // said later, with what is allowed
    const std::string text = read_file(job_.model);
    if (mkdir(copy.parent_path().c_str(), 0700) != 0) throw file_error(errno, "create", copy.parent_path());
    write_file(copy, text, 0600);
  }
  job_.model = copy.string();
}

void RunFolder::lock() {
  const int descriptor = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw file_error(errno, "open", path_);
  lock_ = std::shared_ptr<void>(nullptr, [descriptor](void*) { ::close(descriptor); });
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorKind::kUnavailable,
                path_.string() + ": another process is running this run; wait for it or stop it");
  }
}

void RunFolder::store_run() const {
  const Json run = {{"format", "discreet-run"}, {"version", 1},      {"job", job_.to_json()},
                    {"split_key", split_key_},  {"run_id", run_id_}, {"digest", digest_}};
  write_file(path_ / "run.json", run.dump(2) + "\n", 0600);
}

void RunFolder::store_digest(const std::string& digest) {
  digest_ = digest;
  store_run();
}

std::optional<Json> RunFolder::facts() const {
  if (!fs::exists(path_ / "facts.json")) return std::nullopt;
  return parse(path_ / "facts.json");
}

void RunFolder::store_facts(const Json& facts) {
  write_file(path_ / "facts.json", facts.dump(2) + "\n", 0600);
}

std::optional<std::string> RunFolder::checkpoint() const {
  return read_if_there(path_ / "checkpoint.pt");
}

void RunFolder::store_checkpoint(const std::string& bytes) {
  write_file(path_ / "checkpoint.pt", bytes, 0600);
}

void RunFolder::remove() {
  // run.json last: with it, a run that was killed in here is resumed and ends here again.
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, ignored))
    if (entry.path().filename() != "run.json") fs::remove_all(entry.path(), ignored);
  fs::remove(path_ / "run.json", ignored);
  fs::remove_all(path_, ignored);
}

}  // namespace discreet
