#include "discreet/model/architecture.h"

#include "discreet/base/error.h"

namespace discreet {
namespace {

const std::string kRoot = "architecture";

// Reads a list of steps from `in` on; each must keep within the bounds.
template <typename Kind, typename Step>
Shape read_steps(const Json& list, const std::string& name, const std::vector<Kind>& kinds, Shape in,
                 std::vector<Step>& steps) {
  if (!list.is_array() || list.size() > kMostSteps) {
    throw Error(ErrorKind::kInvalidArgument, kRoot + "." + name + ": must be a list of at most " +
                                                 std::to_string(kMostSteps) + " objects");
  }
  std::vector<std::string> names;
  for (const Kind& kind : kinds) names.push_back(kind.name);
  for (const Json& item : list) {
    Fields fields(item, kRoot + "." + name + "[" + std::to_string(steps.size()) + "]");
    const std::string type = fields.word("type", names);
    for (const Kind& kind : kinds) {
      if (kind.name == type) steps.push_back(kind.read(fields, in));
    }
    fields.finish();
    in = steps.back().out;
    int64_t product = 1;
    for (int64_t side : in) {
      if (product > kMostElements / side) {
        fields.fail("", "gives " + to_string(in) + " for each record, more than " +
                            std::to_string(kMostElements) + " values");
      }
      product *= side;
    }
  }
  return in;
}

}  // namespace

Architecture Architecture::parse(const Json& document) {
  Fields fields(document, kRoot);
  Architecture result;
  result.document = document;
  result.input = fields.integers("input", 1, kMostElements, 1, 3);
  if (result.input.size() == 2)
    fields.fail("input", "must be [features] or [channels, height, width], has 2 numbers");
  int64_t room = kMostElements;
  for (int64_t side : result.input) room /= side;
  if (room < 1) fields.fail("input", "has more than " + std::to_string(kMostElements) + " values");
  result.outputs = fields.integer("outputs", 1, 1 << 16);
  const Json& fixed = fields.any("fixed", false);
  result.features =
      read_steps(fixed.is_null() ? Json::array() : fixed, "fixed", fixed_kinds(), result.input, result.fixed);
  const Shape out = read_steps(fields.any("layers"), "layers", layer_kinds(), result.features, result.layers);
  result.parameters = 0;
  for (const Layer& layer : result.layers) {
    result.parameters += layer.parameters;
    if (result.parameters > kMostParameters) {
      fields.fail("layers", "have more than " + std::to_string(kMostParameters) + " parameters");
    }
  }
  fields.finish();
  if (out != Shape{result.outputs}) {
    fields.fail("layers", "end with the shape " + to_string(out) + ", but outputs is " +
                              std::to_string(result.outputs) + "; the last layer must give [" +
                              std::to_string(result.outputs) + "]");
  }
  if (result.parameters == 0) fields.fail("layers", "have no parameter to train");
  return result;
}

}  // namespace discreet
