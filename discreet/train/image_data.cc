// Images as the data of a run.
#include <algorithm>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/data/csv_reader.h"
#include "discreet/data/units.h"
#include "discreet/train/few_records.h"
#include "discreet/train/private_data.h"
#include "discreet/train/published.h"

namespace discreet {
namespace {

class ImageData : public PrivateData {
 public:
  ImageData(const TrainJob& job, OpenedData opened, const std::string& split_key)
      : kind_(opened.kind),
        train_(std::move(*opened.train)),
        test_(std::move(opened.test)),
        epsilon_(job.epsilon),
        units_(job.sample_size) {
    if (job.unit)
      throw Error(ErrorKind::kUnsupported, "--unit: allowed for tables only; each image is its own unit");
    if (job.target)
      throw Error(ErrorKind::kUnsupported, "--target: allowed for tables only; images have their labels");
    if (train_.labels().empty()) {
      throw Error(ErrorKind::kNotFound, job.data + ": the images have no labels file, which training needs");
    }
    if (!job.schema.is_null()) {
      const TableSchema declared = TableSchema::from_json(job.schema);
      if (!declared.columns.empty())
        throw Error(ErrorKind::kInvalidArgument,
                    "schema: columns: allowed for tables only; for images declare target.classes");
      if (declared.target) classes_ = declared.target->classes;
    }
    if (const PublishedData* published = find_published(job.data)) {
      published_ = published->source;
      if (!units_) units_ = published->units;
      if (classes_.empty()) {
        for (int label = 0; label < published->classes; ++label) classes_.push_back(std::to_string(label));
      }
    }
    check_labels();
    const double holdout = holdout_share(job, test_.has_value());
    if (test_) {
      test_origin_ = "the data set's own test part";
      if (holdout > 0)
        throw Error(ErrorKind::kInvalidArgument,
                    "--holdout: this data set has a test part of its own; allowed is 0");
    } else if (holdout > 0) {
      const RowSplit split = split_rows(train_.size(), holdout, SplitKey::from_hex(split_key));
      if (!split.test.empty()) test_ = train_.select(split.test);
      everything_ = std::move(train_);
      train_ = everything_->select(split.train);
      test_origin_ = "a random " + format_number(100 * holdout) + " % of the images, kept out of training";
      if (units_) *units_ *= 1 - holdout;
    }
  }

  DataKind kind() const override { return kind_; }
  std::vector<std::string> warnings() const override { return {}; }

  void for_each_record(const std::function<void(std::string_view)>& visit) const override {
    if (everything_) return everything_->for_each_record(visit);
    train_.for_each_record(visit);
  }

  std::optional<Event> set_budget(const StatisticsBudget& budget) override {
    statistics_.emplace(kind_ == DataKind::kIdx, classes_, units_, budget);
    if (!statistics_->mechanism().needed()) return std::nullopt;
    return statistics_->mechanism().event();
  }

  std::optional<std::string> too_few_records() const override {
    const OpenTarget open = !classes_.empty()         ? OpenTarget::kNothing
                            : kind_ == DataKind::kIdx ? OpenTarget::kLabels
                                                      : OpenTarget::kClasses;
    const double records = units_.value_or(static_cast<double>(train_.size()));
    if (!probably_too_few(statistics_->mechanism(), open, records)) return {};
    return too_few_words(epsilon_, declaration());
  }

  // The names of folders are not told: which of them may be said is the owner's to decide.
  std::string declaration() const override {
    return discreet::declaration({.name = "label"}) + " with the " +
           (kind_ == DataKind::kIdx ? "labels' numbers" : "folders' names");
  }

  Json estimate(RandomStream& random) const override {
    return statistics_->estimate(train_, random).to_json();
  }

  PreparedData prepare(const Json& json) override {
    const ImageFacts facts = ImageFacts::from_json(json);
    PreparedData prepared;
    prepared.kind = kind_;
    prepared.input_shape = train_.shape();
    prepared.outputs = static_cast<int64_t>(facts.classes.size());
    prepared.classes = facts.classes;
    prepared.units = facts.units;
    prepared.units_source = facts.units_source;
    prepared.warnings = facts.warnings;
    prepared.preprocessing = {{"kind", "image"}, {"shape", prepared.input_shape}, {"classes", facts.classes}};
    prepared.test_origin = test_origin_;
    const auto detail = [&](const std::string& words, Source source) {
      return source == Source::kDeclared && !published_.empty() ? words + ", from " + published_ : words;
    };
    prepared.facts = {
        fact_of("size of images", Source::kIndependent, "the file's structure: all images have one size"),
        fact_of("number of units in training", facts.units_source,
                detail(units_detail(facts), facts.units_source)),
        fact_of("classes", facts.classes_source,
                detail(std::to_string(facts.classes.size()) + " classes", facts.classes_source)),
        fact_of("scale of pixels", Source::kIndependent,
                "0 to 255 becomes 0 to 1, whatever the images hold")};
    train_.select_classes(facts.classes);
    prepared.train = std::make_unique<ImageDataset>(train_);
    if (test_) {
      test_->select_classes(known_to(*test_, facts.classes));
      prepared.test = std::make_unique<ImageDataset>(*test_);
      prepared.test_other_classes = prepared.test->targets().eq(-1).sum().item<int64_t>();
    }
    return prepared;
  }

  void add_examples(const PreparedData& prepared, const std::vector<int64_t>& rows,
                    OwnerFacts& page) const override {
    const auto& images = static_cast<const ImageDataset&>(*prepared.test);
    const std::vector<int64_t> shape = images.shape();
    const torch::Tensor pixels = images.features(torch::tensor(rows))
                                     .mul(255)
                                     .round()
                                     .to(torch::kUInt8)
                                     .permute({0, 2, 3, 1})
                                     .contiguous();
    for (size_t i = 0; i < rows.size(); ++i) {
      ExampleImage example;
      example.truth = prepared.classes.at(images.targets()[rows[i]].item<int64_t>());
      example.channels = static_cast<int>(shape[0]);
      example.height = static_cast<int>(shape[1]);
      example.width = static_cast<int>(shape[2]);
      const torch::Tensor image = pixels[static_cast<int64_t>(i)];
      example.pixels.assign(image.data_ptr<uint8_t>(), image.data_ptr<uint8_t>() + image.numel());
      page.images.push_back(std::move(example));
    }
  }

 private:
  // Before any charge: declared classes are labels, and names of folders can be written down.
  void check_labels() const {
    const std::vector<std::string>& labels = train_.label_names();
    for (const std::string& label : labels) {
      if (!is_utf8(label)) throw Error(ErrorKind::kDataLoss, "a folder's name is not valid UTF-8; rename it");
    }
    for (const std::string& name : classes_) {
      if (std::find(labels.begin(), labels.end(), name) == labels.end()) {
        throw Error(ErrorKind::kInvalidArgument,
                    "schema: target.classes: '" + name + "' is no label of these images");
      }
    }
    if (test_) known_to(*test_, labels);
  }

  // The order of outputs is training's; a test part whose folders lack a class cannot be told of it.
  static std::vector<std::string> known_to(const ImageDataset& images,
                                           const std::vector<std::string>& classes) {
    for (const std::string& name : classes) {
      if (std::find(images.label_names().begin(), images.label_names().end(), name) ==
          images.label_names().end()) {
        throw Error(ErrorKind::kDataLoss,
                    "the test part has no folder for one of the classes; give both parts the same folders");
      }
    }
    return classes;
  }

  DataKind kind_;
  ImageDataset train_;
  std::optional<ImageDataset> test_, everything_;
  double epsilon_;
  std::optional<double> units_;
  std::vector<std::string> classes_;
  std::string published_, test_origin_;
  std::optional<ImageStatistics> statistics_;
};

}  // namespace

std::unique_ptr<PrivateData> make_image_data(const TrainJob& job, OpenedData opened,
                                             const std::string& split_key) {
  return std::make_unique<ImageData>(job, std::move(opened), split_key);
}

}  // namespace discreet
