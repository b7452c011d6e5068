#include "discreet/job/settings.h"

#include <algorithm>

namespace discreet {
namespace {

using enum SettingType;

constexpr Setting kTrainSettings[] = {
    {"target", kText, "COLUMN", "the last column", "a column's name",
     "what the model learns to predict (tables)"},
    {"epsilon", kNumber, "E", "3", "0.01 to 100", "privacy budget of the whole run: statistics and training"},
    {"delta", kNumber, "D", "1e-5", "1e-12 to 0.1", "probability with which the guarantee may not hold"},
    {"relation", kText, "R", "add-or-remove-one", "add-or-remove-one, replace-one, zero-out",
     "which two data sets count as neighbours"},
    {"unit", kText, "COLUMN", "every row its own unit", "a column's name",
     "protect a person, not a row: this column says whose row it is"},
    {"max-rows-per-unit", kInteger, "M", "10", "1 to 10000",
     "at most so many rows of a unit are used, chosen at random"},
    {"sample-size", kNumber, "N", "counted privately", "10 to 1e12",
     "the number of units in DATA, where it is public knowledge"},
    {"model", kText, "NAME", "auto", "auto, a preset's name or an architecture file", "what to train"},
    {"batch-size", kInteger, "B", "the preset's", "1 to 1e7",
     "expected number of units in a step's Poisson sample"},
    {"epochs", kNumber, "K", "the preset's", "0.01 to 10000",
     "expected number of times that each unit is seen"},
    {"learning-rate", kNumber, "L", "the preset's", "1e-8 to 1000", "step length of the optimizer"},
    {"max-grad-norm", kNumber, "C", "the preset's", "1e-8 to 1e6",
     "clip of each unit's gradient (its L2 norm); with adaptive clipping the first step's"},
    {"clipping", kText, "HOW", "flat", "flat, per-layer, normalised, adaptive",
     "one norm for all layers, one for each, every gradient scaled to the clip, or a clip that follows the "
     "gradients privately"},
    {"processes", kInteger, "N", "1", "1 to 64",
     "so many processes of this machine share the work of each step; the guarantee is that of one"},
    {"statistics-share", kNumber, "S", "0.1 for tables, 0.05 for images", "0.001 to 0.5",
     "share of the budget for private statistics; 0 of it is used when everything is declared"},
    {"schema", kText, "FILE", "nothing is declared", "a JSON file, see docs/schema.md",
     "facts about the columns that are public knowledge: types, bounds, categories, classes"},
    {"header", kText, "yes|no", "yes, refused where the first line looks like a record", "yes, no",
     "whether the first line of a table names the columns"},
    {"separator", kText, "CHAR", "the most frequent of , ; TAB | in the first line", "one of , ; TAB |",
     "what stands between the cells of a table"},
    {"holdout", kNumber, "H", "0.1, or the data set's own test part", "0 to 0.5",
     "share of the units kept out of training to measure accuracy, for the owner's page only"},
    {"name", kText, "NAME", "DATA's file name", "letters, digits, space . _ -",
     "what the package and the ledger call the data set"},
    {"ledger", kText, "L", "one file in the user's data folder", "a path, or postgresql://USER@HOST/DATABASE",
     "which ledger is charged"},
    {"same-as", kText, "DATASET", "recognised by the ledger", "a data set of the ledger",
     "this data is that data set of the ledger, changed"},
    {"new-dataset", kSwitch, "", "off", "", "this data set shares no person with any in the ledger"},
    {"out", kText, "PACKAGE", "DATA's name with .discreet, here", "a path that does not exist",
     "the package to write"},
    {"resume", kText, "PACKAGE", "off", "the package of an unfinished run",
     "go on with a run that was interrupted"},
    {"seed-for-tests", kInteger, "S", "the kernel's randomness", "0 to 2^53",
     "reproducible and therefore NOT PRIVATE; the certificate says so"},
    {"dry-run", kSwitch, "", "off", "", "print the plan; read no data, charge and write nothing"},
    {"json", kSwitch, "", "off", "", "one JSON object on standard output; words go to standard error"},
};

}  // namespace

std::span<const Setting> train_settings() {
  return kTrainSettings;
}

std::string toml_key(std::string_view setting_name) {
  std::string key(setting_name);
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

}  // namespace discreet
