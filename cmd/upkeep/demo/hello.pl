#!/usr/bin/perl
# Answers HTTP on [::]:$PORT. On SIGHUP it ends, and upkeep starts it again.
use strict;
use warnings;
use IO::Socket::IP;

$| = 1;
my $port = $ENV{PORT} or die "PORT is not set: give the service a port\n";
my $server = IO::Socket::IP->new(
    LocalHost => '::', LocalPort => $port, Listen => 16, ReuseAddr => 1, V6Only => 0,
) or die "cannot listen on [::]:$port: $@\n";
print "listening on [::]:$port\n";

while (my $client = $server->accept) {
    my $request = <$client> // '';
    while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
    $request =~ s/\s+$//;
    my $body = "Hello from $ENV{SERVICE_NAME} of account $ENV{ACCOUNT}.\n";
    print $client "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ",
        length($body), "\r\nConnection: close\r\n\r\n", $body;
    close $client;
    print "$request\n";
}
