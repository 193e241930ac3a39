// The terminal as the program sees it: connected to the simulated broker, with the account's picture.
#pragma once
#include "runner.h"

namespace mql::runner {

void start_terminal();

}  // namespace mql::runner
