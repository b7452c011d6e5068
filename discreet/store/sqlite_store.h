// An EntryStore in one SQLite file (docs/ledger.md).
#pragma once

#include "discreet/store/database.h"
#include "discreet/store/entry_store.h"

namespace discreet {

class SqliteStore : public EntryStore {
 public:
  // Makes the file (mode 0600) if there is none. kDataLoss where it is empty or gone while its key is there.
  SqliteStore(const std::filesystem::path& path, std::chrono::milliseconds busy_timeout);

  const std::string& name() const override { return name_; }
  std::filesystem::path key_path() const override;
  int64_t format() override;
  int64_t last() override;
  void for_each_after(int64_t number, const std::function<void(Entry)>& take) override;
  void create(int64_t format) override;
  void append(const Entry& entry) override;

 private:
  void begin() override;
  void commit() override;
  void rollback() noexcept override;
  std::string name_;
  Database database_;
};

}  // namespace discreet
