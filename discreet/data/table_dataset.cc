#include "discreet/data/table_dataset.h"

#include "discreet/base/error.h"

namespace discreet {

TableDataset::TableDataset(TableEncoder encoder, const TablePart& part)
    : encoder_(std::move(encoder)), encoded_(encoder_.encode(part.table)) {
  targets_ = encoder_.targets(part.table);
  units_ = part.units;
}

}  // namespace discreet
