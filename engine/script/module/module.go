// Package module is what scripts require and no file holds, but for the server itself: json, log and http; and the
// functions of the server that put and take jobs. It knows neither clients nor topics.
package module
