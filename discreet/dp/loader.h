// The numbered Poisson draws of a PrivacyEngine, as a range of batches: for (auto batch :
// engine.loader(data)).
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "discreet/base/error.h"
#include "discreet/data/dataset.h"
#include "discreet/dp/draws.h"

namespace discreet {

class Loader {
 public:
  using Fetch = std::function<Batch(const std::vector<int64_t>& rows)>;

  class Iterator {
   public:
    const Batch& operator*() const { return loader_->batch_; }
    Iterator& operator++() {
      loader_->advance();
      return *this;
    }
    bool operator!=(std::default_sentinel_t) const { return !loader_->done_; }

   private:
    friend class Loader;
    explicit Iterator(Loader* loader) : loader_(loader) {}
    Loader* loader_;
  };

  // Makes the first draw. Each step of the iterator checks that the batch before was used exactly once.
  Iterator begin() {
    advance();
    return Iterator(this);
  }
  std::default_sentinel_t end() const { return {}; }

  // Batches in one pass: draws times pieces.
  int64_t size() const { return batches_; }

 private:
  friend class PrivacyEngine;
  // next: the engine's next piece, or nothing at the end.
  using Next = std::function<const DrawPiece*(const std::shared_ptr<const PoissonDraws>& draws, bool last)>;
  Loader(Fetch fetch, std::shared_ptr<const PoissonDraws> draws, int64_t batches, Next next)
      : fetch_(std::move(fetch)), draws_(std::move(draws)), batches_(batches), next_(std::move(next)) {}
  void advance();

  Fetch fetch_;
  std::shared_ptr<const PoissonDraws> draws_;
  int64_t batches_, handed_ = 0;
  Next next_;
  Batch batch_, placeholder_;
  bool done_ = false;
};

// What the engine needs of a data set: rows by number, how many, and their units.
inline Loader::Fetch make_fetch(const Dataset& dataset) {
  const torch::Tensor rows = dataset.rows_with_target();
  return [&dataset, rows](const std::vector<int64_t>& numbers) {
    const torch::Tensor chosen = rows.index_select(0, torch::tensor(numbers, torch::kLong));
    return Batch{dataset.features(chosen), dataset.targets().index_select(0, chosen)};
  };
}
inline int64_t count_rows(const Dataset& dataset) {
  return dataset.rows_with_target().size(0);
}
std::vector<int64_t> units_of(const Dataset& dataset);

// The bytes of each row with its target, in order.
void for_each_record(const Loader::Fetch& fetch, int64_t rows,
                     const std::function<void(const std::string& bytes)>& visit);

// A data set of torch::data with random access: get_batch(indices) gives one example, or a list of examples
// of equal shapes.
template <typename TorchDataset>
requires(!std::is_base_of_v<Dataset, TorchDataset>) Loader::Fetch make_fetch(TorchDataset& dataset) {
  return [&dataset](const std::vector<int64_t>& numbers) {
    auto batch = dataset.get_batch(std::vector<size_t>(numbers.begin(), numbers.end()));
    if constexpr (requires { batch.data; }) {
      return Batch{batch.data, batch.target};
    } else {
      auto stacked = torch::data::transforms::Stack<>().apply_batch(std::move(batch));
      return Batch{stacked.data, stacked.target};
    }
  };
}

template <typename TorchDataset>
requires(!std::is_base_of_v<Dataset, TorchDataset>) int64_t count_rows(const TorchDataset& dataset) {
  const auto size = dataset.size();
  if (!size) throw Error(ErrorKind::kUnsupported, "Poisson draws need a data set whose size is known");
  return static_cast<int64_t>(*size);
}

template <typename TorchDataset>
requires(!std::is_base_of_v<Dataset, TorchDataset>) std::vector<int64_t> units_of(const TorchDataset&) {
  return {};
}

}  // namespace discreet
