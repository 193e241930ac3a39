// What MQL4 has and MQL5 has not, as far as it is built: one list of orders, open positions among them, and OrderSend with its
// many arguments. The program's own namespace takes these names first, so that MQL5's functions of the same name are hidden.
#pragma once
#include "mql.h"

#undef __MQL5__
#undef __MQL5BUILD__
#define __MQL4__ 1
#define __MQL4BUILD__ 1400

namespace mql::four {

inline constexpr int SELECT_BY_POS = 0, SELECT_BY_TICKET = 1, MODE_TRADES = 0, MODE_HISTORY = 1;
inline constexpr int OP_BUY = 0, OP_SELL = 1, OP_BUYLIMIT = 2, OP_SELLLIMIT = 3, OP_BUYSTOP = 4, OP_SELLSTOP = 5;
enum {
    ERR_NO_RESULT = 1, ERR_COMMON_ERROR = 2, ERR_SERVER_BUSY = 4, ERR_NO_CONNECTION = 6, ERR_TRADE_TIMEOUT = 128, ERR_INVALID_PRICE = 129,
    ERR_INVALID_STOPS = 130, ERR_INVALID_TRADE_VOLUME = 131, ERR_MARKET_CLOSED = 132, ERR_TRADE_DISABLED = 133, ERR_NOT_ENOUGH_MONEY = 134,
    ERR_PRICE_CHANGED = 135, ERR_OFF_QUOTES = 136, ERR_REQUOTE = 138, ERR_TRADE_TOO_MANY_ORDERS = 148, ERR_UNKNOWN_SYMBOL = 4106,
    ERR_INVALID_TICKET = 4108, ERR_TRADE_NOT_ALLOWED = 4109,
};

int OrdersTotal();
int OrdersHistoryTotal();
bool OrderSelect(int index, int how, int pool = MODE_TRADES);
int OrderTicket();
int OrderType();
int OrderMagicNumber();
double OrderLots();
double OrderOpenPrice();
double OrderClosePrice();
double OrderStopLoss();
double OrderTakeProfit();
double OrderProfit();
double OrderSwap();
double OrderCommission();
datetime OrderOpenTime();
datetime OrderCloseTime();
string OrderSymbol();
string OrderComment();
int OrderSend(const string& symbol, int type, double volume, double price, int slippage, double stoploss, double takeprofit,
              const string& comment = null, int magic = 0, datetime expiration = 0, color arrow = 0);
bool OrderClose(int ticket, double lots, double price, int slippage, color arrow = 0);
bool OrderModify(int ticket, double price, double stoploss, double takeprofit, datetime expiration, color arrow = 0);
bool OrderDelete(int ticket, color arrow = 0);
bool RefreshRates();
bool IsConnected();
bool IsTradeAllowed();

}  // namespace mql::four

namespace mql::program {
using namespace mql::four;
using four::IsConnected, four::IsTradeAllowed, four::OrderClose, four::OrderCloseTime, four::OrderClosePrice, four::OrderComment, four::OrderCommission;
using four::OrderDelete, four::OrderLots, four::OrderMagicNumber, four::OrderModify, four::OrderOpenPrice, four::OrderOpenTime, four::OrderProfit;
using four::OrderSelect, four::OrderSend, four::OrdersHistoryTotal, four::OrdersTotal, four::OrderStopLoss, four::OrderSwap, four::OrderSymbol;
using four::OrderTakeProfit, four::OrderTicket, four::OrderType, four::RefreshRates;
}  // namespace mql::program
