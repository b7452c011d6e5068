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

std::string EntryStore::hash_of(int64_t number) {
  std::string hash;
  for_each_after(number - 1, [&](const Entry& entry) {
    if (entry.number == number) hash = entry.hash;
  });
  return hash;
}

}  // namespace discreet
