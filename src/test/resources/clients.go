// Go's own client, which keeps connections: after each refusal a request that must get its own answer.
// Arguments: port, login.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

type refusal struct {
	name, method, path string
	headers            map[string]string
	body               []byte
	isChunked          bool
	status             int
}

func main() {
	base, login := "http://127.0.0.1:"+os.Args[1], os.Args[2]
	transport := &http.Transport{MaxConnsPerHost: 1, ExpectContinueTimeout: 5 * time.Second}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	large := bytes.Repeat([]byte("x"), 3_000_000)
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	with := func(name, value string) map[string]string {
		return map[string]string{"Content-Type": form["Content-Type"], name: value}
	}
	many := map[string]string{}
	for i := 0; i < 101; i++ {
		many[fmt.Sprintf("X-%d", i)] = "a"
	}
	refusals := []refusal{
		{"no login, no body", "DELETE", "/v1/nodes/1", nil, nil, false, 401},
		{"no login, small body", "PUT", "/v1/nodes/1", form, []byte("state=hold"), false, 401},
		{"no login, 3 MB", "PUT", "/v1/nodes/1", form, large, false, 401},
		{"no login, 3 MB in chunks", "PUT", "/v1/nodes/1", form, large, true, 401},
		{"too large", "PUT", "/v1/nodes/1", with("Authorization", login), large, false, 413},
		{"no such path, 3 MB", "POST", "/v1/nope", form, large, false, 404},
		{"no such method, 3 MB", "POST", "/v1/nodes", form, large, false, 405},
		{"unknown type", "PUT", "/v1/nodes/1",
			map[string]string{"Content-Type": "a/b", "Authorization": login}, []byte("x"), false, 415},
		{"expectation", "PUT", "/v1/nodes/1", with("Expect", "100-continue"), []byte("state=hold"), false, 401},
		{"expectation, 3 MB", "PUT", "/v1/nodes/1", with("Expect", "100-continue"), large, false, 401},
		{"too many fields", "GET", "/v1/nodes", many, nil, false, 431},
		{"a body of a GET", "GET", "/v1/nodes?limit=1", nil, large[:100_000], false, 200},
	}
	for _, r := range refusals {
		for round := 0; round < 5; round++ {
			var body io.Reader
			if r.body != nil {
				body = bytes.NewReader(r.body)
			}
			if r.isChunked { // its length is not known
				body = io.MultiReader(body)
			}
			// a body that is not read to its end is sent once: the answer is there all the same
			answer := ask(client, r.name, r.method, base+r.path, r.headers, body)
			check(answer.StatusCode == r.status, r.name, answer.Status)
			own := fmt.Sprintf("go-%d", round)
			answer = ask(client, r.name, "GET", base+"/v1/nodes?limit=1", map[string]string{"X-Request-Id": own}, nil)
			check(answer.StatusCode == 200, r.name, "then", answer.Status)
			check(answer.Header.Get("X-Request-Id") == own, r.name, "the answer of another")
		}
		fmt.Println("ok", r.name)
	}
}

func ask(client *http.Client, name, method, url string, headers map[string]string, body io.Reader) *http.Response {
	request, err := http.NewRequest(method, url, body)
	check(err == nil, name, err)
	for header, value := range headers {
		request.Header.Set(header, value)
	}
	answer, err := client.Do(request)
	check(err == nil, name, err)
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	return answer
}

func check(isSo bool, said ...interface{}) {
	if !isSo {
		fmt.Println(strings.TrimSpace(fmt.Sprintln(said...)))
		os.Exit(1)
	}
}
