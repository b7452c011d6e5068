#include "discreet/store/entry_store.h"

#include "discreet/store/postgres_store.h"
#include "discreet/store/sqlite_store.h"

namespace discreet {

bool EntryStore::is_url(const std::string& where) {
  return where.starts_with("postgresql://") || where.starts_with("postgres://");
}

std::unique_ptr<EntryStore> EntryStore::open(const std::string& where,
                                             std::chrono::milliseconds busy_timeout) {
  if (is_url(where)) return std::make_unique<PostgresStore>(where, busy_timeout);
  return std::make_unique<SqliteStore>(where, busy_timeout);
}

}  // namespace discreet
