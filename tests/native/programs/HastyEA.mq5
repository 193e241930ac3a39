// The Expert Advisor for a broker that holds orders for a moment only: a command that left no trace is given up after 12 s
// instead of 180, as the Python EA of these tests does it.
#define LONG_IN_FLIGHT_MS 12000
#include "../../../mql5/Experts/Kakehashi/KakehashiEA.mq5"
