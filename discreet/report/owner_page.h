// The owner's page (NAME.owner.html): how good the model is, from private records. It stands beside the
// package, never in it, and nothing on it is protected by the guarantee. Whoever writes it uses mode 0600.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace discreet {

struct LossPoint {
  double step = 0;  // steps of training done
  double loss = 0;  // mean over the records looked at
};

struct ClassFacts {
  std::string name;
  int64_t training_records = 0, test_records = 0;
  std::optional<double> precision, recall;  // absent where none was predicted, or none is in the test records
};

struct ExampleImage {
  std::string truth, prediction;
  double confidence = 0;                    // probability given to the prediction
  int width = 0, height = 0, channels = 1;  // 1 grey, 3 red green blue
  std::vector<uint8_t> pixels;              // height * width * channels, row by row
};

struct ExampleRow {
  std::string truth, prediction;
  std::optional<double> confidence;
  std::vector<std::string> cells;  // one for each of example_columns
};

struct OwnerFacts {
  std::string name;
  double epsilon = 0, delta = 0;
  std::string relation;
  bool is_private = true;
  int64_t training_records = 0, test_records = 0;
  std::string test_origin;  // "the data set's own test part", "a random fifth, kept out of training"
  double training_seconds = 0;
  // Figures in the order to show them: {"Accuracy", 0.8912, true}; as_percent shows 89.12 %.
  struct Figure {
    std::string name;
    double value = 0;
    bool as_percent = false;
    std::string note;
  };
  std::vector<Figure> figures;
  // The same measure for an answer that looks at no column, on the same records.
  struct Guessing {
    std::string measure;                      // "accuracy"
    std::string answer;                       // "always the most frequent class"
    double model = 0, guess = 0, margin = 0;  // margin: two standard errors of the difference
    bool as_percent = true;                   // a share, of which more is better; else an error
  };
  std::optional<Guessing> guessing;
  std::vector<LossPoint> training_loss, test_loss;
  std::vector<ClassFacts> classes;              // empty for regression
  std::vector<std::vector<int64_t>> confusion;  // [truth][prediction]; empty for regression
  std::vector<ExampleImage> images;
  std::vector<std::string> example_columns;
  std::vector<ExampleRow> rows;
  std::vector<std::string> warnings;  // what the owner was told when the data was read
};

// Fewer test records than this do not tell a model from guessing.
inline constexpr int64_t kEnoughTestRecords = 100;

// In one sentence, how the model compares with guessing; "" where nothing was measured.
std::string guessing_sentence(const OwnerFacts& facts);
// The same in a few words: "accuracy 84.6 % (always the most frequent class: 76.1 %)".
std::string guessing_line(const OwnerFacts& facts);

// A whole HTML document. Throws kUnavailable where gnuplot is missing, kInvalidArgument for a confusion
// matrix that is not square or an image whose pixels do not fit its size.
std::string owner_html(const OwnerFacts& facts);

}  // namespace discreet
