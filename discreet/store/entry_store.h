// EntryStore: where a ledger's entries are kept, as a list that only grows: an SQLite file, or a PostgreSQL
// database.
//
// A transaction that committed survives a power cut, and only one is open at a time, whoever else uses the
// same ledger. Errors name the ledger and never hold a password: kUnavailable (locked for longer than the
// timeout, full disk, server gone), kPermissionDenied (read-only), kDataLoss (no ledger, or a damaged one). A
// failed transaction is rolled back; where the connection broke during commit, its entries may be there,
// which is a charge without a release. One thread at a time; never carried into a child process.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "discreet/store/entry.h"

namespace discreet {

class EntryStore {
 public:
  // `where`: a file's path, or postgresql://USER@HOST/DATABASE (is_url). A file that is not there is made.
  static std::unique_ptr<EntryStore> open(const std::string& where, std::chrono::milliseconds busy_timeout);
  static bool is_url(const std::string& where);
  virtual ~EntryStore() = default;

  virtual const std::string& name() const = 0;         // "ledger PLACE"
  virtual std::filesystem::path key_path() const = 0;  // of the key of its sketches, on this machine
  // The format version of the ledger that is there, 0 if none is. kDataLoss if the place holds something
  // else.
  virtual int64_t format() = 0;

  virtual int64_t last() = 0;  // number of the last entry; 0 without entries
  virtual void for_each_after(int64_t number, const std::function<void(Entry)>& take) = 0;  // in order

  std::string hash_of(int64_t number);  // of the entry with this number; "" if there is none

  // Within a transaction.
  virtual void create(int64_t format) = 0;  // an empty ledger
  virtual void append(const Entry& entry) = 0;

  // Nobody else writes until commit or the end of the scope, which rolls back.
  class Transaction {
   public:
    explicit Transaction(EntryStore& store) : store_(store) { store_.begin(); }
    ~Transaction() {
      if (open_) store_.rollback();
    }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit() {  // durable when it returns
      store_.commit();
      open_ = false;
    }

   private:
    EntryStore& store_;
    bool open_ = true;
  };

 private:
  virtual void begin() = 0;
  virtual void commit() = 0;
  virtual void rollback() noexcept = 0;
};

}  // namespace discreet
