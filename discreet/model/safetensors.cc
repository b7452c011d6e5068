#include "discreet/model/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <set>

#include "discreet/base/error.h"
#include "discreet/base/json.h"
#include "discreet/model/fields.h"

namespace discreet {
namespace {

static_assert(std::endian::native == std::endian::little, "values are written as they lie in memory");

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kLongestHeader = 100'000'000;  // as the reference reader

struct NumberKind {
  const char* name;
  torch::ScalarType type;
  int64_t bytes;
};
constexpr std::array<NumberKind, 6> kNumberKinds = {{{"F64", torch::kDouble, 8},
                                                     {"F32", torch::kFloat, 4},
                                                     {"F16", torch::kHalf, 2},
                                                     {"I64", torch::kLong, 8},
                                                     {"I32", torch::kInt, 4},
                                                     {"U8", torch::kByte, 1}}};

[[noreturn]] void corrupt(const std::string& why) {
  throw Error(ErrorKind::kDataLoss, "safetensors: " + why);
}

struct Entry {
  std::string name;
  const NumberKind* kind;
  std::vector<int64_t> shape;
  int64_t begin, end;
};

Entry read_entry(const std::string& name, const Json& json, int64_t room) {
  Fields fields(json, "tensor '" + name + "'");
  std::vector<std::string> kinds;
  for (const NumberKind& kind : kNumberKinds) kinds.push_back(kind.name);
  const std::string dtype = fields.word("dtype", kinds);
  Entry entry{name, nullptr, fields.integers("shape", 0, room, 0, 16), 0, 0};
  for (const NumberKind& kind : kNumberKinds) {
    if (dtype == kind.name) entry.kind = &kind;
  }
  const auto offsets = fields.integers("data_offsets", 0, room, 2, 2);
  fields.finish();
  entry.begin = offsets[0], entry.end = offsets[1];
  int64_t bytes = entry.kind->bytes;
  for (int64_t side : entry.shape) {
    if (side != 0 && bytes > room / side) corrupt("tensor '" + name + "' is larger than the file");
    bytes *= side;
  }
  if (entry.end - entry.begin != bytes) {
    corrupt("tensor '" + name + "' has " + std::to_string(entry.end - entry.begin) +
            " bytes; its shape needs " + std::to_string(bytes));
  }
  return entry;
}

}  // namespace

std::string save_safetensors(const NamedTensors& tensors) {
  Json header = Json::object();
  std::vector<torch::Tensor> values;
  int64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor value = tensor.detach().to(torch::kCPU).contiguous();
    const auto kind = std::find_if(kNumberKinds.begin(), kNumberKinds.end(),
                                   [&](const NumberKind& k) { return k.type == value.scalar_type(); });
    if (kind == kNumberKinds.end()) {
      throw Error(ErrorKind::kInvalidArgument, "safetensors: tensor '" + name + "' has numbers of the kind " +
                                                   c10::toString(value.scalar_type()) +
                                                   "; allowed: F64, F32, F16, I64, I32, U8");
    }
    if (header.contains(name) || name == "__metadata__") {
      throw Error(ErrorKind::kInvalidArgument, "safetensors: the name '" + name + "' is taken");
    }
    const int64_t bytes = value.numel() * kind->bytes;
    header[name] = {
        {"dtype", kind->name}, {"shape", value.sizes().vec()}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
    values.push_back(value);
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string out(kLengthBytes, '\0');
  const uint64_t length = text.size();
  std::memcpy(out.data(), &length, kLengthBytes);
  out.reserve(kLengthBytes + text.size() + static_cast<size_t>(offset));
  out += text;
  for (const torch::Tensor& value : values) {
    out.append(static_cast<const char*>(value.data_ptr()),
               static_cast<size_t>(value.numel()) * value.element_size());
  }
  return out;
}

NamedTensors load_safetensors(std::string_view bytes) {
  uint64_t length = 0;
  if (bytes.size() < kLengthBytes)
    corrupt("the file has " + std::to_string(bytes.size()) + " bytes, fewer than 8");
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kLongestHeader || length > bytes.size() - kLengthBytes)
    corrupt("the header is longer than the file");
  const std::string_view data = bytes.substr(kLengthBytes + length);
  const auto room = static_cast<int64_t>(data.size());
  std::vector<Entry> entries;
  try {
    const Json header = parse_json(bytes.substr(kLengthBytes, length), "header");
    if (!header.is_object()) corrupt("the header is no object");
    for (const auto& item : header.items()) {
      if (item.key() != "__metadata__") entries.push_back(read_entry(item.key(), item.value(), room));
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kDataLoss) throw;
    corrupt(error.what());
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  NamedTensors tensors;
  int64_t offset = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != offset) corrupt("tensor '" + entry.name + "' overlaps another or leaves a gap");
    torch::Tensor value = torch::empty(entry.shape, entry.kind->type);
    if (entry.end > entry.begin) {
      std::memcpy(value.data_ptr(), data.data() + entry.begin, static_cast<size_t>(entry.end - entry.begin));
    }
    tensors.emplace_back(entry.name, value);
    offset = entry.end;
  }
  if (offset != room)
    corrupt("the values end at byte " + std::to_string(offset) + " of " + std::to_string(room));
  return tensors;
}

}  // namespace discreet
