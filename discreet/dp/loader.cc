#include "discreet/dp/loader.h"

#include <algorithm>

namespace discreet {

std::vector<int64_t> units_of(const Dataset& dataset) {
  if (dataset.units().empty()) return {};
  const torch::Tensor rows = dataset.rows_with_target();
  std::vector<int64_t> units;
  for (int64_t i = 0; i < rows.size(0); ++i) units.push_back(dataset.units().at(rows.data_ptr<int64_t>()[i]));
  return units;
}

void for_each_record(const Loader::Fetch& fetch, int64_t rows, const Rows::Visit& visit) {
  constexpr int64_t kRowsAtOnce = 256;
  const auto bytes = [](const at::Tensor& row) {
    return std::string(static_cast<const char*>(row.data_ptr()), row.nbytes());
  };
  for (int64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    std::vector<int64_t> numbers;
    for (int64_t row = begin; row < std::min(begin + kRowsAtOnce, rows); ++row) numbers.push_back(row);
    const Batch batch = fetch(numbers);
    const at::Tensor data = batch.data.cpu().contiguous(), target = batch.target.cpu().contiguous();
    for (int64_t i = 0; i < data.size(0); ++i) visit(bytes(data[i]) + bytes(target[i]));
  }
}

const DrawPiece* Pieces::next() {
  const bool last = handed_ == size_;
  const DrawPiece* piece = next_(draws_, last);
  handed_ = last ? 0 : handed_ + 1;
  return piece;
}

void Loader::advance() {
  const DrawPiece* piece = pieces_.next();
  done_ = piece == nullptr;
  if (done_) return;
  if (!piece->rows.empty()) {
    batch_ = fetch_(piece->rows);
    return;
  }
  if (!placeholder_.data.defined()) {  // only the shape and type of row 0 are looked at
    const Batch first = fetch_({0});
    placeholder_ = {torch::zeros_like(first.data), torch::zeros_like(first.target)};
  }
  batch_ = {placeholder_.data.clone(), placeholder_.target.clone()};
}

}  // namespace discreet
