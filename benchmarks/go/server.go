// The classic of the separate build image: the same answers, from one static binary.
package main

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

func logged(handler http.HandlerFunc) http.HandlerFunc {
	return func(answer http.ResponseWriter, request *http.Request) {
		handler(answer, request)
		client, _, _ := net.SplitHostPort(request.RemoteAddr)
		date := time.Now().Format("02/Jan/2006:15:04:05 -0700")
		fmt.Printf("%s - - [%s] \"%s %s %s\"\n", client, date, request.Method, request.RequestURI, request.Proto)
	}
}

func main() {
	http.HandleFunc("GET /{$}", logged(func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(answer, "Hello world!")
	}))
	http.HandleFunc("GET /healthz", logged(func(answer http.ResponseWriter, _ *http.Request) {
		answer.WriteHeader(http.StatusNoContent)
	}))
	panic(http.ListenAndServe(":8080", nil))
}
