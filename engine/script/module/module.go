// Package module has the modules json, log and http that scripts require, and the functions of the module server that put and
// take jobs. It knows neither clients nor topics.
package module
