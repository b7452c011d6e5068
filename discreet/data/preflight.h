// Faults of a table that no budget can repair, found on the exact records before anything is charged.
//
// A refusal is seen by the owner alone and leaves no package, no charge and no private value in its message.
#pragma once

#include "discreet/data/schema.h"
#include "discreet/data/table.h"

namespace discreet {

// `schema` is TableSchema::for_columns of the table (open or complete). kInvalidArgument, with the column's
// name: a feature that is not declared as ignored, or the target, has no value in any row; the target has one
// value only; none of the declared classes occurs, or only one.
void check_table(const Table& table, const TableSchema& schema);

}  // namespace discreet
