// model.json, the part of a package that says how to build the network and how to feed it (docs/model.md).
// The values are in weights.safetensors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "discreet/base/json.h"

namespace discreet {

struct ModelFile {
  Json architecture;
  Json preprocessing;                // how records become inputs; read by the room `data`; may be null
  std::vector<std::string> outputs;  // the classes' names in order; empty where the output is a number

  // {"format": "discreet-model", "version": 1, "architecture", "preprocessing", "outputs"}: the same model
  // always gives the same bytes. kInvalidArgument where the architecture is not valid.
  std::string write() const;

  // kDataLoss, naming the field, for anything else than a whole valid file of this version.
  static ModelFile read(std::string_view bytes);
};

}  // namespace discreet
