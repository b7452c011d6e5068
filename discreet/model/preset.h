// Presets: architectures with the training settings that go well with them, as documents (presets/NAME.json).
//
// What a preset gives depends only on its document and on facts that are public or paid for: the shape of a
// record, the number of outputs, the (declared or noisy) number of records and epsilon.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "discreet/base/json.h"
#include "discreet/model/shape.h"

namespace discreet {

struct PresetText {
  std::string name;
  std::string text;  // docs/model.md, "Presets"
};
const std::vector<PresetText>& preset_texts();  // every preset there is
std::vector<std::string> preset_names();

// Facts that a preset's rules may use.
struct PresetFacts {
  Shape input;         // of one record
  int64_t outputs;     // classes, or 1 for a number
  double sample_size;  // declared or noisy
  double epsilon;      // of training
  // A number to predict, not classes: the document's "regression" settings replace those of the same name.
  bool regression = false;
  // Squared length of a record as the network sees it, with 1 for the bias: for a regression's rules. Like
  // the shape it follows from the preprocessing.
  double squared_length = 1;
};

// {"architecture": {...}, "training": {"optimizer", "learning_rate", "momentum", "schedule", "batch_size",
// "epochs", "max_grad_norm", "averaging"}} with plain numbers: what the document's rules give for these
// facts. kInvalidArgument for an unknown name (with the nearest) or for facts that the preset cannot serve.
Json make_preset(const std::string& name, const PresetFacts& facts);

// The preset for `--model auto`, by the shape of a record alone: scatter-linear for images (linear where a
// side has fewer than 8 pixels), table for the rows of a table.
std::string auto_preset(const Shape& input);

// Checks a "training" object with plain numbers; an Error names its place below `path`.
void check_training(const Json& training, const std::string& path);

}  // namespace discreet
