#include "discreet/store/state.h"

#include <algorithm>
#include <iterator>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {

void LedgerState::apply(const Entry& entry) {
  const std::string place = "entry " + std::to_string(entry.number);
  if (entry.number != count_ + 1 || entry.hash != chain_hash(entry, head_)) {
    throw Error(ErrorKind::kDataLoss,
                place + " does not follow from those before it: entries were edited, removed or inserted");
  }
  if (std::find(std::begin(kEntryKinds), std::end(kEntryKinds), entry.kind) == std::end(kEntryKinds)) {
    throw Error(ErrorKind::kUnsupported, place + " is of a kind that this version does not know");
  }
  try {
    take_in(entry);
  } catch (const std::exception&) {  // the hash fits, so only a faulty writer comes here
    throw Error(ErrorKind::kDataLoss, place + " (" + entry.kind + ") cannot be read");
  }
  count_ = entry.number;
  head_ = entry.hash;
}

void LedgerState::take_in(const Entry& entry) {
  const std::string& kind = entry.kind;
  if (kind == "ledger") {
    id_ = entry.subject;
  } else if (kind == "sketch") {
    datasets_.at(entry.subject).sketches.push_back(entry.body);
  } else if (kind == "steps") {
    runs_.at(entry.subject).charged_steps = entry.amount;
  } else if (kind == "give-up") {
    RunRecord& run = runs_.at(entry.subject);
    if (!entry.body.empty()) {
      const Json body = Json::parse(entry.body);
      run.released_epsilon = body.at("epsilon").get<double>();
      run.released_delta = body.at("delta").get<double>();
    }
    run.status = "given-up";
    run.ended = entry.time;
  } else {
    const Json body = Json::parse(entry.body);
    if (kind == "dataset") {
      DatasetRecord& record = datasets_[entry.subject].record;
      record.id = entry.subject;
      record.name = body.at("name");
      record.names = {record.name};
      dataset_order_.push_back(record.id);
    } else if (kind == "name") {
      DatasetRecord& record = datasets_.at(entry.subject).record;
      record.name = body.at("name");
      if (std::find(record.names.begin(), record.names.end(), record.name) == record.names.end()) {
        record.names.push_back(record.name);
      }
    } else if (kind == "merge") {
      Dataset& kept = datasets_.at(entry.subject);
      Dataset& other = datasets_.at(body.at("dataset").get<std::string>());
      other.merged_into = entry.subject;
      for (const std::string& name : other.record.names) {
        if (std::find(kept.record.names.begin(), kept.record.names.end(), name) == kept.record.names.end()) {
          kept.record.names.push_back(name);
        }
      }
      std::move(other.sketches.begin(), other.sketches.end(), std::back_inserter(kept.sketches));
      other.sketches.clear();
      std::move(other.record.caps.begin(), other.record.caps.end(), std::back_inserter(kept.record.caps));
      other.record.caps.clear();
      kept.record.cap_raised_after_runs |= other.record.cap_raised_after_runs;
      kept.record.cap_set_after_runs |= other.record.cap_set_after_runs;
    } else if (kind == "cap") {
      DatasetRecord& record = datasets_.at(entry.subject).record;
      const double epsilon = body.at("epsilon"), delta = body.at("delta");
      // Ledgers of version 0.1.0 name no filter: it follows from the cap.
      const PrivacyFilter filter = body.contains("filter") ? PrivacyFilter(epsilon, delta, body.at("filter"))
                                                           : PrivacyFilter(epsilon, delta);
      const bool after_runs = body.value("set_after_runs", false), first = record.caps.empty();
      const bool raised = body.at("raised_after_runs").get<bool>();
      if (raised || !after_runs) record.caps.clear();
      std::erase_if(record.caps, [](const Cap& cap) { return cap.closed; });
      const bool holds_already = std::any_of(record.caps.begin(), record.caps.end(), [&](const Cap& cap) {
        return cap.epsilon == epsilon && cap.delta == delta;
      });
      if (!holds_already) {
        record.caps.push_back({epsilon, delta, parse_relation(body.at("relation").get<std::string>()),
                               body.at("unit"), filter, entry.number});
      }
      record.cap_raised_after_runs |= raised;
      record.cap_set_after_runs |= first && after_runs;
    } else if (kind == "reserve") {
      RunRecord& run = runs_[entry.subject];
      run.id = entry.subject;
      run.entry = entry.number;
      run.dataset = body.at("dataset");
      run.name = body.at("name");
      run.status = "reserved";
      run.epsilon = body.at("epsilon");
      run.delta = body.at("delta");
      run.relation = parse_relation(body.at("relation").get<std::string>());
      run.unit = body.at("unit");
      run.closes_cap = body.value("closes_cap", false);
      run.started = entry.time;
      run_order_.push_back(run.id);
    } else if (kind == "statistics") {
      RunRecord& run = runs_.at(entry.subject);
      run.statistics_event = body.at("event");
      ++run.statistics_attempts;
    } else if (kind == "training") {
      RunRecord& run = runs_.at(entry.subject);
      run.training_event = body.at("event");
      run.planned_steps = entry.amount;
    } else if (kind == "restored") {
      restorations_.push_back({body.at("entries"), body.at("head")});
      for (auto& [id, run] : runs_) {
        if (run.status != "reserved") continue;
        run.status = "given-up";
        run.charges_lost = true;
        run.ended = entry.time;
      }
      for (auto& [id, dataset] : datasets_)
        for (Cap& cap : dataset.record.caps) cap.closed = true;
    } else if (kind == "settle") {
      RunRecord& run = runs_.at(entry.subject);
      run.status = "settled";
      run.settled_epsilon = body.at("epsilon");
      run.settled_delta = body.at("delta");
      run.certificate_sha256 = body.at("certificate");
      run.ended = entry.time;
    }
  }
}

std::string LedgerState::resolve(const std::string& id) const {
  auto found = datasets_.find(id);
  if (found == datasets_.end()) throw Error(ErrorKind::kNotFound, "the ledger has no data set " + id);
  while (!found->second.merged_into.empty()) found = datasets_.find(found->second.merged_into);
  return found->first;
}

std::vector<std::string> LedgerState::dataset_ids() const {
  std::vector<std::string> ids;
  for (const std::string& id : dataset_order_) {
    if (datasets_.at(id).merged_into.empty()) ids.push_back(id);
  }
  return ids;
}

std::string LedgerState::find_dataset(const std::string& id_or_label) const {
  if (datasets_.count(id_or_label) != 0) return resolve(id_or_label);
  std::vector<std::string> found, labels;
  for (const std::string& id : dataset_ids()) {
    for (const std::string& name : datasets_.at(id).record.names) {
      labels.push_back(name);
      if (name == id_or_label) found.push_back(id);
    }
  }
  if (found.size() > 1) {
    std::string ids;
    for (const std::string& id : found) ids += (ids.empty() ? "" : ", ") + id;
    throw Error(ErrorKind::kInvalidArgument,
                "\"" + id_or_label + "\" is the name of several data sets; name one by its id: " + ids);
  }
  if (found.empty()) {
    const std::string close = nearest(id_or_label, labels);
    throw Error(ErrorKind::kNotFound, "no data set \"" + id_or_label + "\"" +
                                          (close.empty() ? "" : "; did you mean \"" + close + "\"?"));
  }
  return found.front();
}

DatasetRecord LedgerState::record(const std::string& id) const {
  DatasetRecord record = datasets_.at(resolve(id)).record;
  record.charges_lost = !restorations_.empty();  // also of one that looks new: its first entry may be lost
  for (const std::string& run_id : run_order_) {
    const RunRecord& run = runs_.at(run_id);
    if (resolve(run.dataset) == record.id) record.runs.push_back(run);
  }
  return record;
}

}  // namespace discreet
