// One request by WebRequest.
input int Port = 0;
void OnStart(void)
  {
   uchar data[], result[];
   string headers;
   StringToCharArray("{\"a\":1}", data, 0, 7, CP_UTF8);
   int code = WebRequest("POST", "http://127.0.0.1:" + (string)Port + "/poll?x=1", "Authorization: Bearer t\r\nContent-Type: application/json", 1000, data, result, headers);
   Print(code, " ", GetLastError(), " ", CharArrayToString(result, 0, WHOLE_ARRAY, CP_UTF8), " ", StringFind(headers, "X-Answer: yes") >= 0);
  }
