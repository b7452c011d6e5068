#include "discreet/dp/processes.h"

#include <algorithm>
#include <bit>

#include "discreet/base/error.h"
#include "discreet/base/hash.h"

namespace discreet {
namespace {

constexpr int64_t kChunks = 4;  // of 16 bits, in a hash

uint64_t hash_of(std::string_view bytes) {
  return std::stoull(sha256_hex(bytes).substr(0, 16), nullptr, 16);
}

}  // namespace

std::string Connection::reason(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

void Connection::check_size() const {
  if (size() > kMost)
    throw Error(ErrorKind::kUnsupported,
                "at most " + std::to_string(kMost) + " processes can train one model together");
}

void Connection::sum(at::Tensor values) {
  together([&] { exchange_sum(values); });
}

void Connection::broadcast(at::Tensor values, int64_t from) {
  together([&] { exchange_bytes(values.view({-1}).view(at::kByte), from); });
}

void Connection::together(const std::function<void()>& exchange) {
  if (lost_.empty()) {
    try {
      return exchange();
    } catch (const std::exception& error) {
      lost_ = reason(error);
    }
  }
  throw Error(ErrorKind::kUnavailable,
              "process " + std::to_string(rank()) + " of " + std::to_string(size()) +
                  " (counted from 0) lost another one (" + lost_ +
                  "); the present step is not released here: end all processes, and start or resume them "
                  "together");
}

std::vector<at::Tensor> gather(Processes& processes, const at::Tensor& mine) {
  std::vector<at::Tensor> lists;
  for (int64_t from = 0; from < processes.size(); ++from) {
    const at::Tensor length = at::full({1}, mine.numel(), at::kLong);
    processes.broadcast(length, from);
    const at::Tensor list = from == processes.rank()
                                ? mine.to(at::kLong).contiguous()
                                : at::empty({length.item<int64_t>()}, at::TensorOptions(at::kLong));
    if (list.numel() > 0) processes.broadcast(list, from);
    lists.push_back(list);
  }
  return lists;
}

Agreement::Agreement(std::string_view action) {
  add("what they do next", action);
}

void Agreement::add(std::string name, std::string_view value) {
  if (hashes_.size() == kMost) throw Error(ErrorKind::kInvalidArgument, "an agreement has too many values");
  hashes_.emplace_back(std::move(name), hash_of(value));
}

void Agreement::add(std::string name, double value) {
  add(std::move(name), std::to_string(std::bit_cast<uint64_t>(value)));
}

// Chunks h of n processes are all equal just where n * sum(h^2) = sum(h)^2 (Cauchy and Schwarz). With h below
// 2^16 and n at most 2^10 these are integers up to 2^52, exact in doubles. The message has one length
// whatever is agreed on, so that processes that are about to do different things still understand each other.
void Agreement::check(Processes& processes) const {
  const at::Tensor message = at::zeros({static_cast<int64_t>(kMost), kChunks, 2}, at::kDouble);
  auto values = message.accessor<double, 3>();
  for (size_t i = 0; i < hashes_.size(); ++i)
    for (int64_t chunk = 0; chunk < kChunks; ++chunk) {
      const auto h = static_cast<double>(hashes_[i].second >> (16 * chunk) & 0xffff);
      values[static_cast<int64_t>(i)][chunk][0] = h;
      values[static_cast<int64_t>(i)][chunk][1] = h * h;
    }
  processes.sum(message);
  const auto n = static_cast<double>(processes.size());
  std::string different;
  for (size_t i = 0; i < hashes_.size(); ++i) {
    bool same = true;
    for (int64_t chunk = 0; chunk < kChunks; ++chunk) {
      const double total = values[static_cast<int64_t>(i)][chunk][0];
      same = same && n * values[static_cast<int64_t>(i)][chunk][1] == total * total;
    }
    if (same) continue;
    different += (different.empty() ? "" : ", ") + hashes_[i].first;
    if (i == 0) break;  // the other values mean different things then
  }
  if (!different.empty())
    throw Error(ErrorKind::kInvalidArgument,
                "the processes disagree about " + different +
                    ": start all of them with the same program, options, model and number of draws");
}

}  // namespace discreet
