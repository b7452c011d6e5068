#include "discreet/store/recognition.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <ostream>

namespace discreet {

Recognition recognise(const LedgerState& state, const SketchKey& key, const DatasetSketch& sketch) {
  Recognition recognition, exact;
  bool all_known = false;
  for (const std::string& id : state.dataset_ids()) {
    const auto& dataset = state.datasets().at(id);
    double shared = 0;
    bool recorded = false, covered = false;
    for (const std::string& sealed : dataset.sketches) {
      const DatasetSketch known = DatasetSketch::unseal(key, sealed);
      shared = std::max(shared, known.similarity(sketch));
      recorded |= known == sketch;
      covered |= known.covers(sketch);
    }
    if (shared < Recognition::kSame) continue;
    all_known |= covered;  // an unrelated one's sketch may tell of no record at all, and so cover any
    recognition.known.push_back({id, dataset.record.name, shared});
    if (recorded) exact.known.push_back(recognition.known.back());
  }
  if (!exact.known.empty()) {
    exact.exact = true;
    return exact;
  }
  recognition.in_doubt = recognition.known.size() > 1 || (recognition.known.size() == 1 && !all_known);
  return recognition;
}

Identity ask_same_or_new(const Recognition& recognition,
                         const std::function<std::optional<std::string>()>& next_line, std::ostream& out) {
  std::string names;
  double shared = 0;
  for (const auto& known : recognition.known) {
    names += (names.empty() ? "'" : " and '") + known.name + "'";
    shared = std::max(shared, known.shared);
  }
  const auto tenths = std::llround(10 * shared);
  out << "These records look like a changed form of " << names << ": about "
      << (tenths == 10 ? std::string("all") : std::to_string(10 * tenths) + " %")
      << " of the smaller one's are in both.\n"
         "  same  its people are among these: costs add up"
      << (recognition.known.size() > 1 ? ", of all these data sets together" : "")
      << "\n"
         "  new   nobody is in both: costs are counted apart\n";
  for (;;) {
    out << "same or new? [same] " << std::flush;
    const std::optional<std::string> line = next_line();
    if (!line) out << "\n";
    std::string answer;
    for (const char c : line.value_or(""))
      if (!std::isspace(static_cast<unsigned char>(c)))
        answer += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (answer.empty() || answer == "same") return {};
    if (answer == "new") return {.same_as = "", .new_dataset = true};
  }
}

}  // namespace discreet
