// Files, hashes, global variables, chart objects. To be run in a real terminal, too; it leaves nothing behind.
#include "Expect.mqh"

const string FOLDER = "kakehashi-test\\";

string Hex(const uchar &bytes[])
  {
   string text = "";
   for(int i = 0; i < ArraySize(bytes); i++)
      text += StringFormat("%02x", bytes[i]);
   return text;
  }

string Hash(const ENUM_CRYPT_METHOD method, const string text)
  {
   uchar data[], key[], result[];
   StringToCharArray(text, data, 0, StringLen(text), CP_UTF8);
   ArrayResize(data, StringLen(text));
   CryptEncode(method, data, key, result);
   return method == CRYPT_BASE64 ? CharArrayToString(result) : Hex(result);
  }

void Binary(const int common)
  {
   string name = FOLDER + "binary.dat";
   uchar bytes[] = {1, 2, 3, 4, 5}, back[];
   int file = FileOpen(name, FILE_READ | FILE_WRITE | FILE_BIN | common);
   ExpectTrue("opened", file != INVALID_HANDLE);
   ExpectLong("written", FileWriteArray(file, bytes), 5);
   FileFlush(file);
   ResetLastError();
   ExpectLong("not shared", FileOpen(name, FILE_READ | FILE_BIN | FILE_SHARE_READ | FILE_SHARE_WRITE | common), INVALID_HANDLE);
   ExpectLong("why", GetLastError(), ERR_CANNOT_OPEN_FILE);
   FileSeek(file, 1, SEEK_SET);
   ExpectLong("read", FileReadArray(file, back, 0, 3), 3);
   ExpectTrue("the bytes", back[0] == 2 && back[2] == 4 && FileTell(file) == 4 && !FileIsEnding(file));
   FileSeek(file, 0, SEEK_END);
   FileWriteLong(file, -5);
   FileSeek(file, -8, SEEK_CUR);
   ExpectLong("a number", FileReadLong(file), -5);
   ExpectTrue("at its end", FileIsEnding(file) && FileSize(file) == 13);
   FileClose(file);
   file = FileOpen(name, FILE_READ | FILE_BIN | FILE_SHARE_READ | common);
   int other = FileOpen(name, FILE_READ | FILE_BIN | FILE_SHARE_READ | common);
   ExpectTrue("shared for reading", other != INVALID_HANDLE && FileOpen(name, FILE_WRITE | FILE_BIN | FILE_SHARE_READ | common) == INVALID_HANDLE);
   FileClose(other);
   FileClose(file);
   file = FileOpen(name, FILE_WRITE | FILE_BIN | common);
   ExpectLong("opened for writing alone it is empty", (long)FileSize(file), 0);
   FileClose(file);
   ExpectTrue("moved", FileMove(name, common, FOLDER + "moved.dat", common | FILE_REWRITE) && !FileIsExist(name, common));
   ExpectTrue("deleted", FileDelete(FOLDER + "moved.dat", common) && !FileIsExist(FOLDER + "moved.dat", common));
   ExpectLong("gone", FileOpen(name, FILE_READ | FILE_BIN | common), INVALID_HANDLE);
  }

void Texts(void)
  {
   string name = FOLDER + "text.txt";
   int file = FileOpen(name, FILE_WRITE | FILE_TXT | FILE_ANSI, '\t', CP_UTF8);
   FileWrite(file, "日本 ", 5);
   FileWriteString(file, "second\r\n");
   FileClose(file);
   file = FileOpen(name, FILE_READ | FILE_TXT | FILE_ANSI, '\t', CP_UTF8);
   Expect("a line", FileReadString(file), "日本 5");
   Expect("the next", FileReadString(file), "second");
   ExpectTrue("no more", FileIsEnding(file));
   FileClose(file);
   file = FileOpen(name, FILE_WRITE | FILE_CSV | FILE_UNICODE, ';');
   FileWrite(file, "é", 1.5, true);
   FileClose(file);
   file = FileOpen(name, FILE_READ | FILE_CSV | FILE_UNICODE, ';');
   Expect("a field", FileReadString(file), "é");
   Expect("the next field", FileReadString(file), "1.5");
   FileClose(file);
   FileDelete(name);
   ExpectLong("not out of the folder", FileOpen("..\\..\\x.txt", FILE_WRITE | FILE_TXT), INVALID_HANDLE);
  }

void Hashes(void)
  {
   Expect("SHA256", Hash(CRYPT_HASH_SHA256, "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
   Expect("SHA256 of nothing", Hash(CRYPT_HASH_SHA256, ""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
   Expect("SHA1", Hash(CRYPT_HASH_SHA1, "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11"), "b37a4f2cc0624f1690f64606cf385945b2bec4ea");
   Expect("MD5", Hash(CRYPT_HASH_MD5, "message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
   Expect("BASE64", Hash(CRYPT_BASE64, "fooba"), "Zm9vYmE=");
   uchar data[], key[], result[];
   StringToCharArray("Zm9vYg==", data, 0, 8);
   ArrayResize(data, 8);
   CryptDecode(CRYPT_BASE64, data, key, result);
   Expect("and back", CharArrayToString(result), "foob");
  }

void Variables(void)
  {
   string name = "kakehashi-test";
   GlobalVariableSet(name, 1.5);
   ExpectTrue("set", GlobalVariableCheck(name) && GlobalVariableGet(name) == 1.5);
   ExpectTrue("on condition", !GlobalVariableSetOnCondition(name, 2, 7) && GlobalVariableSetOnCondition(name, 2, 1.5) && GlobalVariableGet(name) == 2);
   ExpectTrue("deleted", GlobalVariableDel(name) && !GlobalVariableCheck(name));
  }

void Panel(void)
  {
   string name = "kakehashi-test";
   ExpectTrue("created", ObjectCreate(0, name, OBJ_LABEL, 0, 0, 0));
   ObjectSetString(0, name, OBJPROP_TEXT, "状態");
   ObjectSetInteger(0, name, OBJPROP_COLOR, clrTomato);
   Expect("its text", ObjectGetString(0, name, OBJPROP_TEXT), "状態");
   ExpectLong("its colour", ObjectGetInteger(0, name, OBJPROP_COLOR), C'255,99,71');
   ExpectTrue("found", ObjectFind(0, name) == 0 && ObjectDelete(0, name) && ObjectFind(0, name) < 0);
  }

void Clocks(void)
  {
   ulong begin = GetMicrosecondCount(), ticks = GetTickCount64();
   Sleep(20);
   ExpectTrue("both clocks go on", GetMicrosecondCount() - begin >= 19000 && GetTickCount64() - ticks >= 15);
   ExpectTrue("the zone", TimeLocal() - TimeGMT() == -TimeGMTOffset() || MathAbs(TimeLocal() - TimeGMT() + TimeGMTOffset()) <= 1);
  }

void OnStart(void)
  {
   Binary(0);
   Binary(FILE_COMMON);
   Texts();
   Hashes();
   Variables();
   Panel();
   Clocks();
   Conclude();
  }
