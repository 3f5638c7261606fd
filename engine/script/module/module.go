// Package module is what scripts require and no file holds, but for the server itself: json, log and http. It knows
// neither clients nor topics.
package module
