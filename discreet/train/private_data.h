// PrivateData: the data of one run, before and after its facts are known.
//
//   auto data = open_private_data(job, split_key);      // structure checked, hold-out split; nothing charged
//   auto event = data->set_budget(...);                 // what the statistics will release: charged first
//   Json facts = data->estimate(random);                // stored before it is used
//   PreparedData prepared = data->prepare(facts);       // what training, package and certificate need
//
// What is public about it (names of columns, size of images, declared facts) is the same for neighbouring
// data sets; everything else that leaves is in `facts`, which was charged.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discreet/accounting/event.h"
#include "discreet/base/json.h"
#include "discreet/base/random.h"
#include "discreet/data/dataset.h"
#include "discreet/data/open.h"
#include "discreet/dp/image_statistics.h"
#include "discreet/dp/statistics.h"
#include "discreet/job/job.h"
#include "discreet/package/certificate.h"
#include "discreet/report/owner_page.h"

namespace discreet {

struct PreparedData {
  std::unique_ptr<Dataset> train, test;  // test: null where nothing was held out
  DataKind kind = DataKind::kTable;
  std::vector<int64_t> input_shape;  // of one record's features: {width} or {channels, height, width}
  int64_t outputs = 0;               // classes, or 1
  std::vector<std::string> classes;  // empty: a regression
  double units = 0;                  // units in training, declared or released
  Source units_source = Source::kPrivate;
  double squared_length = 1;          // of a record: PresetFacts
  int64_t test_other_classes = 0;     // test records of classes that were neither declared nor released
  torch::Tensor test_values;          // a regression's: float64, in the target's own scale, not clamped
  Json preprocessing;                 // for model.json
  std::vector<Fact> facts;            // for the certificate
  std::vector<std::string> warnings;  // for the owner
  std::string test_origin;            // in words, for the owner
};

class PrivateData {
 public:
  virtual ~PrivateData() = default;

  virtual DataKind kind() const = 0;

  // What the owner should know before training (an identifier that repeats). Never published.
  virtual std::vector<std::string> warnings() const = 0;

  // Canonical bytes of every record, held-out ones too, for the ledger's sketch.
  virtual void for_each_record(const std::function<void(std::string_view)>& visit) const = 0;

  // Fixes how noisy the statistics are. Empty: everything is declared, nothing is released.
  virtual std::optional<Event> set_budget(const StatisticsBudget& budget) = 0;

  // After set_budget: what to declare where there are so few records that the statistics will probably tell
  // nothing (train/few_records.h). For the owner, never kept.
  virtual std::optional<std::string> too_few_records() const = 0;

  // What to declare so that nothing has to be estimated about the target.
  virtual std::string declaration() const = 0;

  // One release of that event.
  virtual Json estimate(RandomStream& random) const = 0;

  // `facts` is what estimate() gave, now or before a crash. Once.
  virtual PreparedData prepare(const Json& facts) = 0;

  // A few held-out records with their predictions, for the owner's page.
  virtual void add_examples(const PreparedData& prepared, const std::vector<int64_t>& rows,
                            OwnerFacts& page) const = 0;
};

// Opens what the job names, checks what can be checked before a charge (columns, nearest names) and splits by
// the secret key.
std::unique_ptr<PrivateData> open_private_data(const TrainJob& job, const std::string& split_key);

std::unique_ptr<PrivateData> make_table_data(const TrainJob& job, Table table, const std::string& split_key);
std::unique_ptr<PrivateData> make_image_data(const TrainJob& job, OpenedData opened,
                                             const std::string& split_key);

// Share of the units that are kept out of training: as declared, else a tenth, or none where the data set has
// a test part of its own.
double holdout_share(const TrainJob& job, bool has_test_part);

// The number of units in words; where the noise was too large to tell it, says so and what was used.
std::string units_detail(const Facts& facts);

// `source` in the certificate's words: "declared", "independent", "private".
Fact fact_of(std::string fact, Source source, std::string detail);

}  // namespace discreet
