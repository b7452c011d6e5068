#include "discreet/store/state.h"

#include <algorithm>
#include <iterator>

#include "discreet/base/error.h"

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
      if (other.record.cap && kept.record.cap) {
        kept.record.cap->epsilon = std::min(kept.record.cap->epsilon, other.record.cap->epsilon);
        kept.record.cap->delta = std::min(kept.record.cap->delta, other.record.cap->delta);
      } else if (other.record.cap) {
        kept.record.cap = other.record.cap;
      }
    } else if (kind == "cap") {
      DatasetRecord& record = datasets_.at(entry.subject).record;
      record.cap = Cap{body.at("epsilon"), body.at("delta"),
                       parse_relation(body.at("relation").get<std::string>()), body.at("unit")};
      record.cap_raised_after_runs |= body.at("raised_after_runs").get<bool>();
    } else if (kind == "reserve") {
      RunRecord& run = runs_[entry.subject];
      run.id = entry.subject;
      run.dataset = body.at("dataset");
      run.name = body.at("name");
      run.status = "reserved";
      run.epsilon = body.at("epsilon");
      run.delta = body.at("delta");
      run.relation = parse_relation(body.at("relation").get<std::string>());
      run.unit = body.at("unit");
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

DatasetRecord LedgerState::record(const std::string& id) const {
  DatasetRecord record = datasets_.at(resolve(id)).record;
  for (const std::string& run_id : run_order_) {
    const RunRecord& run = runs_.at(run_id);
    if (resolve(run.dataset) == record.id) record.runs.push_back(run);
  }
  return record;
}

}  // namespace discreet
