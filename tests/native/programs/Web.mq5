// One request by WebRequest.
input int Port = 0;
void OnStart(void)
  {
   char data[], result[];
   uchar bytes[];
   string headers;
   ArrayResize(data, StringToCharArray("{\"a\":1}", bytes, 0, 7, CP_UTF8));
   for(int i = 0; i < ArraySize(data); i++)
      data[i] = (char)bytes[i];
   int code = WebRequest("POST", "http://127.0.0.1:" + (string)Port + "/poll?x=1", "Authorization: Bearer t\r\nContent-Type: application/json", 1000, data, result, headers);
   ArrayResize(bytes, ArraySize(result));
   for(int i = 0; i < ArraySize(result); i++)
      bytes[i] = (uchar)result[i];
   Print(code, " ", GetLastError(), " ", CharArrayToString(bytes, 0, WHOLE_ARRAY, CP_UTF8), " ", StringFind(headers, "X-Answer: yes") >= 0);
  }
